//! Lists of barcodes as venues write them: one on each line, or a table with a column for them. Pure.
//!
//! Fed line by line, so that a list of any length costs no memory.
//!
//! Invariant: a barcode is taken exactly as it is written, blanks and quotes around it apart, or it is refused.

use crate::store::allotments::LONGEST_BARCODE;

/// Names of the column of barcodes, in lower case.
const BARCODE_COLUMNS: [&str; 6] = ["barcode", "code_barre", "code_barres", "code-barre", "code-barres", "code barre"];
/// Names of the column of stocks.
const STOCK_COLUMNS: [&str; 3] = ["stock", "stock_id", "stock_key"];
/// What may stand between two columns.
const SEPARATORS: [char; 3] = [';', ',', '\t'];
/// Longest line that is looked at, in bytes.
pub const LONGEST_LINE: usize = 4_096;
/// Longest key of a stock, in characters.
pub const LONGEST_STOCK: usize = 100;

/// Why something is no barcode, or a list no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing is written.
    #[error("it is empty")]
    Empty,
    /// Longer than pass Culture takes.
    #[error("it has more than {LONGEST_BARCODE} characters")]
    TooLong,
    /// Characters that cannot be printed, or bytes that are no text in UTF-8.
    #[error("it has characters that cannot be printed")]
    Unprintable,
    /// Its stock is not written, or has no usable key.
    #[error("its stock is missing or no usable key")]
    NoStock,
    /// A table whose first line names no column of barcodes.
    #[error("the first line names no column `barcode` or `code_barre`")]
    NoColumn,
}

impl Unusable {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Unprintable => "unprintable",
            Self::NoStock => "no_stock",
            Self::NoColumn => "no_barcode_column",
        }
    }
}

/// Is it a barcode that can be printed and told to pass Culture?
///
/// # Errors
/// Why not.
pub fn usable(written: &str) -> Result<&str, Unusable> {
    let barcode = written.trim();
    if barcode.is_empty() {
        return Err(Unusable::Empty);
    }
    if barcode.chars().count() > LONGEST_BARCODE {
        return Err(Unusable::TooLong);
    }
    if barcode.chars().any(unprintable) {
        return Err(Unusable::Unprintable);
    }
    Ok(barcode)
}

fn unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, char::REPLACEMENT_CHARACTER | '\u{FEFF}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
}

/// Is it a key of a stock or of an event: 1 to 100 characters that can be printed?
#[must_use]
pub fn is_key(written: &str) -> bool {
    (1..=LONGEST_STOCK).contains(&written.chars().count())
        && written.trim() == written
        && !written.chars().any(unprintable)
}

/// Reads a list.
#[derive(Debug)]
pub struct List {
    /// Of all barcodes, where the list names none.
    stock: Option<String>,
    layout: Option<Layout>,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Plain,
    Table { separator: char, barcode: usize, stock: Option<usize> },
}

impl List {
    /// A list of barcodes of one stock, or one with a column that names the stock of each.
    #[must_use]
    pub const fn new(stock: Option<String>) -> Self {
        Self { stock, layout: None }
    }

    /// The next line: stock and barcode, or why it has none; nothing for the line of headings and for blank lines.
    ///
    /// # Errors
    /// Why it is unusable. [`Unusable::NoColumn`] and, without a stock, [`Unusable::NoStock`] on the first line refuse the
    /// whole list.
    pub fn line(&mut self, line: &str) -> Result<Option<(String, String)>, Unusable> {
        let line = line.trim_end_matches(['\r', '\n']);
        let Some(layout) = self.layout else { return self.first(line.trim_start_matches('\u{FEFF}')) };
        if line.trim().is_empty() {
            return Ok(None);
        }
        let (barcode, stock) = match layout {
            Layout::Plain => (line.trim().trim_matches('"').to_owned(), None),
            Layout::Table { separator, barcode, stock } => {
                let fields = fields(line, separator);
                let field = |at: usize| fields.get(at).cloned().unwrap_or_default();
                (field(barcode), stock.map(field))
            }
        };
        let barcode = usable(&barcode)?.to_owned();
        let stock = stock.map(|stock| stock.trim().to_owned()).or_else(|| self.stock.clone());
        // A stock of the command line or of the address names all of them: a key of an adapter may have any characters.
        let stock = stock.filter(|stock| (1..=LONGEST_STOCK).contains(&stock.chars().count()));
        let stock = stock.filter(|stock| !stock.chars().any(unprintable)).ok_or(Unusable::NoStock)?;
        Ok(Some((stock, barcode)))
    }

    /// Was the list refused as a whole? Asked after its first line that is not blank.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.layout.is_none()
    }

    fn first(&mut self, line: &str) -> Result<Option<(String, String)>, Unusable> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        for separator in SEPARATORS {
            let names: Vec<String> = fields(line, separator).iter().map(|name| name.trim().to_lowercase()).collect();
            let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
            if let Some(barcode) = column(&BARCODE_COLUMNS) {
                let stock = column(&STOCK_COLUMNS).filter(|_| self.stock.is_none());
                if stock.is_none() && self.stock.is_none() {
                    return Err(Unusable::NoStock);
                }
                self.layout = Some(Layout::Table { separator, barcode, stock });
                return Ok(None);
            }
        }
        if line.contains([';', '\t']) {
            return Err(Unusable::NoColumn);
        }
        if self.stock.is_none() {
            return Err(Unusable::NoStock);
        }
        self.layout = Some(Layout::Plain);
        self.line(line)
    }
}

/// Fields of a line; quotes keep separators together, and a doubled quote is one.
fn fields(line: &str, separator: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            _ if character == separator && !quoted => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Told = Vec<Result<Option<(String, String)>, Unusable>>;

    fn read(stock: Option<&str>, text: &str) -> Told {
        let mut list = List::new(stock.map(str::to_owned));
        text.lines().map(|line| list.line(line)).collect()
    }

    fn good(told: Told) -> Vec<(String, String)> {
        told.into_iter().filter_map(|line| line.ok().flatten()).collect()
    }

    fn pair(stock: &str, barcode: &str) -> (String, String) {
        (stock.to_owned(), barcode.to_owned())
    }

    #[test]
    fn lists_are_read_however_venues_write_them() {
        let expected = [pair("A", "111"), pair("A", "222")];
        for text in [
            "111\n222\n",
            "\u{FEFF}111\r\n\r\n222",
            "\"111\"\n 222 ",
            "barcode\n111\n222",
            "Code_Barre\n111\n222",
            "nom;code_barre\nx;111\n\"a;b\";222",
            "barcode\tnom\n111\tx\n222\ty",
            "stock,barcode\nB,111\nB,222",
        ] {
            assert_eq!(good(read(Some("A"), text)), expected, "{text}");
        }
        assert_eq!(good(read(None, "barcode;stock\n1;A\n2;\"B;é\"")), [pair("A", "1"), pair("B;é", "2")]);
    }

    #[test]
    fn what_is_unusable_says_why() {
        let long = "1".repeat(101);
        let odd = format!("barcode;nom\n;x\n{long};x\na\u{7}b;x\nab\u{FFFD};x");
        let told: Vec<Unusable> = read(Some("A"), &odd).into_iter().filter_map(Result::err).collect();
        assert_eq!(told, [Unusable::Empty, Unusable::TooLong, Unusable::Unprintable, Unusable::Unprintable]);
        assert_eq!(read(Some("A"), "nom;place\nx;1")[0], Err(Unusable::NoColumn));
        assert_eq!(read(None, "111")[0], Err(Unusable::NoStock));
        assert_eq!(read(None, "barcode\n111")[0], Err(Unusable::NoStock));
        assert_eq!(read(None, "barcode;stock\n111;")[1], Err(Unusable::NoStock));
    }

    #[test]
    fn keys_can_be_printed() {
        assert!(is_key("mouette/1/A") && is_key("é") && is_key(&"k".repeat(100)));
        for bad in ["", " a", "a\n", "\u{202E}x", &"k".repeat(101)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}\n\\PC{0,60}") {
            for line in read(Some("A"), &text).into_iter().flatten().flatten() {
                prop_assert!(usable(&line.1) == Ok(line.1.as_str()));
            }
        }
    }
}
