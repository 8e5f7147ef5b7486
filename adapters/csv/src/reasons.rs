//! Why a row stays behind: the refusals that are not a number's or a reference's own, with both sentences.
//!
//! Invariant: every code here is stable, and no sentence repeats more of a row than its line.

use passerelle_contract::{DataError, DataProblem, Ean, Legible, Position, Quantity, Row, Severity, StockLine};

/// Why a row is none.
pub(crate) struct Refusal {
    pub problem: DataProblem,
    pub message: String,
    pub message_fr: String,
    pub legible: Box<Legible>,
}

impl Refusal {
    /// The row names this reference.
    pub(crate) fn about(mut self, ean: Ean) -> Self {
        self.legible.eans = vec![ean];
        self
    }

    /// The row states so many copies.
    pub(crate) fn with(mut self, copies: u32) -> Self {
        self.legible.quantity = Some(Quantity::Exactly(copies));
        self
    }
}

/// Why a row stays behind that would read well elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aside {
    /// A second header, on this line, has given the columns other places.
    SecondHeader(u64),
    /// An end-of-file character stands before it.
    BehindEnd,
    /// The next line begins with what may be the rest of its last number.
    GoesOn,
    /// The line before ends with what may be the beginning of its first number.
    BeganBefore,
}

impl Aside {
    pub(crate) fn said(self) -> (&'static str, String, String) {
        match self {
            Self::SecondHeader(line) => (
                "SecondHeader",
                format!(
                    "line {line} is a header with other columns than the first one: what stands behind it is not read"
                ),
                format!("La ligne {line} est un second en-tête, avec d'autres colonnes : la suite n'est pas lue."),
            ),
            Self::BehindEnd => (
                "BehindEnd",
                "it stands behind an end-of-file character (0x1A), perhaps left over from an older file".into(),
                "La ligne se trouve après un caractère de fin de fichier : elle date peut-être d'un ancien fichier."
                    .into(),
            ),
            Self::GoesOn => (
                "BadLine",
                "the next line begins with a number, which may be the rest of this row".into(),
                "La ligne suivante commence par un nombre : c'est peut-être la suite de celle-ci.".into(),
            ),
            Self::BeganBefore => (
                "BadLine",
                "the line before is no row and ends with a number, which may be the beginning of this row".into(),
                "La ligne précédente finit par un nombre : c'est peut-être le début de celle-ci.".into(),
            ),
        }
    }
}

pub(crate) fn unreadable(code: &'static str, message: String, message_fr: String) -> Refusal {
    let problem = DataProblem { code, severity: Severity::Unreadable };
    Refusal { problem, message, message_fr, legible: Box::default() }
}

pub(crate) fn filtered(code: &'static str, message: String, message_fr: String) -> Refusal {
    let problem = DataProblem { code, severity: Severity::NotForSale };
    Refusal { problem, message, message_fr, legible: Box::default() }
}

/// Is this line what a program or a server writes when it stops in the middle of its work?
pub(crate) fn is_error_message(line: &str) -> bool {
    const PHRASES: [&str; 51] = [
        "exceeded",
        "dépassé",
        "killed",
        "segmentation",
        "no space left",
        "insuffisant",
        "quota",
        "abort",
        "anormal",
        "arrêt du",
        "server has",
        "introuvable",
        "error",
        "erreur",
        "exception",
        "fatal",
        "failed",
        "failure",
        "echec",
        "échec",
        "échoué",
        "warning",
        "timeout",
        "timed out",
        "time-out",
        "expired",
        "expiré",
        "gone away",
        "exhausted",
        "ora-0",
        "sqlstate",
        "odbc",
        "deadlock",
        "stack trace",
        "traceback",
        "out of memory",
        "mémoire insuffisante",
        "denied",
        "interromp",
        "interrupt",
        "aborted",
        "abandonn",
        "perdue",
        "lost connection",
        "connection",
        "connexion",
        "unable to",
        "cannot ",
        "violation",
        "<br",
        "</",
    ];
    let line = line.to_lowercase();
    PHRASES.iter().any(|phrase| line.contains(phrase))
}

/// A row for a record that could not be held; references that stood in it are known all the same.
pub(crate) fn too_long(line: u64, eans: &[Ean]) -> Row<StockLine> {
    Row::Poison(Box::new(DataError {
        at: Position::Line(line),
        key: None,
        problem: DataProblem { code: "BadLine", severity: Severity::Unreadable },
        message: format!("longer than the {} bytes that a row may have", crate::reader::MAX_RECORD_BYTES),
        message_fr: "La ligne est trop longue.".into(),
        legible: Box::new(Legible { eans: eans.to_vec(), ..Legible::default() }),
    }))
}
