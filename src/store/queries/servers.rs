//! Servers and their heartbeats.

use passerelle_contract::BoxFuture;
use sqlx::Row as _;

use super::{Connection, Engine, Owner, Row, StoreError, narrow, wide};
use crate::store::servers::{FORGOTTEN_AFTER, MOST_SERVERS, ServerRow, ServerStore};

impl ServerStore for Engine {
    fn beat<'a>(&'a self, server: &'a ServerRow) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            sqlx::query(
                "INSERT INTO server (id, host, pid, started, address, since, beat_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at",
            )
            .bind(&server.owner.id)
            .bind(&server.owner.host)
            .bind(i64::from(server.owner.pid))
            .bind(wide(server.owner.started, "start time")?)
            .bind(&server.address)
            .bind(server.since)
            .bind(server.beat_at)
            .execute(&mut *c)
            .await?;
            sqlx::query("DELETE FROM server WHERE beat_at < $1")
                .bind(server.beat_at.saturating_sub(FORGOTTEN_AFTER))
                .execute(c)
                .await?;
            Ok(())
        })
    }

    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerRow>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query("SELECT * FROM server ORDER BY since, id LIMIT $1")
                .bind(i64::from(MOST_SERVERS))
                .fetch_all(c)
                .await?;
            rows.iter().map(server).collect::<Result<Vec<_>, _>>()
        })
    }

    fn forget_server<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            sqlx::query("DELETE FROM server WHERE id = $1").bind(id).execute(c).await?;
            Ok(())
        })
    }
}

fn server(row: &Row) -> Result<ServerRow, StoreError> {
    Ok(ServerRow {
        owner: Owner {
            id: row.try_get("id")?,
            host: row.try_get("host")?,
            pid: narrow(row.try_get("pid")?, "pid")?,
            started: narrow(row.try_get("started")?, "start time")?,
            purpose: "serve".to_owned(),
        },
        address: row.try_get("address")?,
        since: row.try_get("since")?,
        beat_at: row.try_get("beat_at")?,
    })
}
