"""What the polling client of 2020-2024 did with a shop's stock, as plainly as Python does it: one row at a time, one upsert a row.

Peer of the release build's `sync` in `cargo bench --bench catalogue`. Reads the same CSV, checks the EAN, compares with what is stored, writes what
differs; one commit at the end. Usage: polling_client.py STOCK.csv STORE.sqlite
"""

import csv
import sqlite3
import sys
from decimal import ROUND_HALF_UP, Decimal


def is_ean(text: str) -> bool:
    if len(text) != 13 or not text.isdigit():
        return False
    total = sum(int(digit) * (1 if at % 2 == 0 else 3) for at, digit in enumerate(text))
    return total % 10 == 0


def cents(text: str) -> int:
    return int((Decimal(text.replace(",", ".")) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def main(stock: str, store: str) -> None:
    base = sqlite3.connect(store)
    base.execute("CREATE TABLE IF NOT EXISTS stock (ean TEXT PRIMARY KEY, price INTEGER, quantity INTEGER)")
    rows = kept = 0
    with open(stock, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=";"):
            rows += 1
            if not is_ean(row["EAN13"]):
                continue
            price, quantity = cents(row["PV TTC"]), int(row["Stock"])
            if not 0 < price <= 30_000:
                continue
            base.execute(
                "INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT (ean) DO UPDATE SET price = excluded.price, "
                "quantity = excluded.quantity WHERE price <> excluded.price OR quantity <> excluded.quantity",
                (row["EAN13"], price, quantity),
            )
            kept += 1
    base.commit()
    print(rows, kept)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
