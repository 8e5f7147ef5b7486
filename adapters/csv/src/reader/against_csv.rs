//! What the `csv` crate writes, this reader reads as the `csv` crate does.

use proptest::prelude::*;

use super::{Records, Step, Syntax};

fn ours(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut records = Records::new(bytes, Syntax { delimiter: Some(b';'), quote: Some(b'"'), backslash: false });
    let mut rows = Vec::new();
    while records.next().unwrap() == Step::Record {
        let fields = (0..records.field_count()).filter_map(|index| records.field(index));
        rows.push(
            fields
                .map(|(bytes, doubled)| {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    if doubled { text.replace("\"\"", "\"") } else { text }
                })
                .collect(),
        );
    }
    rows
}

fn theirs(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').has_headers(false).flexible(true).from_reader(bytes);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

proptest! {
    #[test]
    fn well_formed_files_are_read_alike(
        rows in prop::collection::vec(prop::collection::vec("[a-zé0-9 ;\"\n\r,.]{0,12}", 2..6), 0..40),
        crlf in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().delimiter(b';').flexible(true).terminator(terminator).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }
}
