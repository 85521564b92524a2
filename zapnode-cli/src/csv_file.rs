//! A file of recipients, as spreadsheets write it. Pure.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How the column with the number may be called, the likeliest first; case, accents and blanks do
/// not count.
const NUMBER_COLUMNS: &[&str] = &[
    "to",
    "phone",
    "phonenumber",
    "number",
    "telefone",
    "numero",
    "celular",
    "whatsapp",
];

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where it begins in the file, counted from 1.
    pub(crate) line: u64,
    pub(crate) to: String,
    /// Every column by its heading, the number's too.
    pub(crate) fields: BTreeMap<String, String>,
}

/// Recipients under their headings.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A file that holds no recipients.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum CsvError {
    #[error("it is not UTF-8 text; save it as \"CSV UTF-8\"")]
    NotUtf8,
    #[error("it is empty")]
    Empty,
    #[error(
        "no column is called to, phone, number, telefone or numero; the first line must name the columns, and has: {0}"
    )]
    NoNumberColumn(String),
    #[error("two columns are called {0:?}")]
    TwiceCalled(String),
    #[error("line {line}: it has {found} columns, the first line has {expected}")]
    Columns {
        line: u64,
        found: u64,
        expected: u64,
    },
    #[error("{0}")]
    Other(String),
}

/// Reads a file: UTF-8 with or without a mark at its beginning, a first line that names the columns,
/// columns parted by comma, semicolon or tab, whichever that line has most of.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn read(bytes: &[u8]) -> Result<Table, CsvError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CsvError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(CsvError::Empty);
    }
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let headings = reader
        .headers()
        .map_err(|e| CsvError::Other(e.to_string()))?;
    let headings: Vec<String> = headings.iter().map(str::to_owned).collect();
    for (index, heading) in headings.iter().enumerate() {
        if !heading.is_empty() && headings[..index].contains(heading) {
            return Err(CsvError::TwiceCalled(heading.clone()));
        }
    }
    let folded: Vec<_> = headings.iter().map(|h| folded(h)).collect();
    let number = NUMBER_COLUMNS
        .iter()
        .find_map(|name| folded.iter().position(|heading| heading == name))
        .ok_or_else(|| CsvError::NoNumberColumn(headings.join(", ")))?;
    let mut rows = vec![];
    let mut record = StringRecord::new();
    let mut lines = Lines::new(text);
    while reader
        .read_record(&mut record)
        .map_err(|error| wrong(&error, &mut lines))?
    {
        // What a spreadsheet leaves below its table.
        if record.iter().all(str::is_empty) {
            continue;
        }
        let fields = headings.iter().zip(&record);
        rows.push(Row {
            line: record.position().map_or(0, |at| lines.at(at.byte())),
            to: record.get(number).unwrap_or_default().to_owned(),
            fields: fields.map(|(h, v)| (h.clone(), v.to_owned())).collect(),
        });
    }
    if rows.is_empty() {
        return Err(CsvError::Empty);
    }
    Ok(Table { headings, rows })
}

fn wrong(error: &csv::Error, lines: &mut Lines<'_>) -> CsvError {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => CsvError::Columns {
            line: pos.as_ref().map_or(0, |at| lines.at(at.byte())),
            found: *len,
            expected: *expected_len,
        },
        _ => CsvError::Other(error.to_string()),
    }
}

/// Counts lines. The reader counts them too, but puts a row that follows `\r\n` on the line before.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            counted: 0,
            line: 1,
        }
    }

    /// The line of the row that begins at this byte, or after the ends of lines that are there.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.bytes.get(self.counted) {
            let is_before = self.counted < byte || matches!(next, b'\r' | b'\n');
            if !is_before {
                break;
            }
            self.line += u64::from(*next == b'\n');
            self.counted += 1;
        }
        self.line
    }
}

/// What parts the columns of the first line, outside of quotes.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                for (delimiter, count) in &mut counts {
                    *count += usize::from(byte == *delimiter);
                }
            }
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max();
    let found = counts.iter().find(|(_, count)| Some(*count) == most);
    found.map_or(b',', |(delimiter, _)| *delimiter)
}

fn folded(heading: &str) -> String {
    heading
        .nfkd()
        .filter(|c| c.is_alphanumeric() && !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, String, String)> {
        let table = read(text.as_bytes()).expect("a table");
        let rows = table.rows.into_iter();
        rows.map(|row| {
            let fields = row.fields.into_iter();
            let fields: Vec<_> = fields.map(|(n, v)| format!("{n}={v}")).collect();
            (row.line, row.to, fields.join(" "))
        })
        .collect()
    }

    #[test]
    fn files_as_spreadsheets_write_them() {
        let expected = [(2, "5511".to_owned(), "name=Ana, a Maria to=5511".to_owned())];
        for text in [
            "to,name\n5511,\"Ana, a Maria\"\n",
            "to;name\r\n5511;Ana, a Maria\r\n",
            "\u{feff}to;name\n 5511 ; Ana, a Maria \n;\n",
            "to\tname\n5511\tAna, a Maria",
            "\"to\";\"name\"\n\"5511\";\"Ana, a Maria\"\n\n\n",
        ] {
            assert_eq!(rows(text), expected, "{text:?}");
        }
        let lines = rows("to,note\n1,\"a\nb\"\n2,c\n");
        assert_eq!((lines[0].0, lines[1].0), (2, 4));
        assert_eq!(lines[0].2, "note=a\nb to=1");
    }

    #[test]
    fn the_number_is_found_by_its_heading() {
        for (heading, to) in [
            ("to;name", "1"),
            ("Nome;TELEFONE", "2"),
            ("nome;Número", "2"),
            ("phone_number;x", "1"),
            ("celular;To", "2"),
            ("WhatsApp;nome", "1"),
        ] {
            assert_eq!(rows(&format!("{heading}\n1;2"))[0].1, to, "{heading}");
        }
        assert_eq!(
            rows("numero\n5511\n5512").len(),
            2,
            "one column needs no parting"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_line() {
        let wrong = |bytes: &[u8]| read(bytes).expect_err("it is wrong");
        assert_eq!(wrong(b"to,name\n1,Jos\xe9\n"), CsvError::NotUtf8);
        assert_eq!(wrong(b"\xff\xfet\0o\0"), CsvError::NotUtf8);
        assert_eq!(wrong(b" \n"), CsvError::Empty);
        assert_eq!(wrong(b"to,name\n,\n"), CsvError::Empty);
        assert_eq!(
            wrong(b"nome;idade\nAna;3"),
            CsvError::NoNumberColumn("nome, idade".to_owned())
        );
        assert_eq!(
            wrong(b"to,x,x\n1,2,3"),
            CsvError::TwiceCalled("x".to_owned())
        );
        let columns = wrong(b"to,name\n1,Ana\n2,Bia,extra\n");
        assert!(columns.to_string().starts_with("line 3:"), "{columns}");
    }
}
