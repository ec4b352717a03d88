//! Tables in the format of Parquet.

use super::date;
use super::frame::{Cells, Column, Frame, Texts};
use crate::file;
use bytes::Bytes;
use gradus_tensor::{Error, Result};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::panic::catch_unwind;
use std::path::Path;

/// The largest file that is read.
const MOST_BYTES: usize = 4 << 30;

/// The most cells of a table: a file may claim any number of rows.
const MOST_CELLS: usize = 1 << 30;

/// So many rows are read together.
const TOGETHER: usize = 8192;

/// The table in a file.
///
/// # Errors
/// If it cannot be read, is damaged, or has columns of lists, groups or bytes.
pub fn read(path: &Path) -> Result<Frame> {
    decode(file::read(path, MOST_BYTES)?, path)
}

/// The table that bytes hold. Dates and times become text such as `2026-03-31T18:30:00`, truth
/// values `true` and `false`.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: Vec<u8>, origin: &Path) -> Result<Frame> {
    let bytes = Bytes::from(bytes);
    // The reader of the format checks most of what a damaged file may claim, but not all.
    let columns = catch_unwind(|| columns(bytes))
        .unwrap_or_else(|_| Err("is damaged: get it once more".into()))
        .map_err(|message| Error::format(origin.display(), message))?;
    let rows = columns.first().map_or(0, |column| column.cells.len());
    if rows == 0 {
        return Err(Error::format(origin.display(), "has no rows"));
    }
    Frame::new(origin, columns, (1..=rows as u64).collect())
}

fn columns(bytes: Bytes) -> Result<Vec<Column>, String> {
    let damaged = |error| format!("is no Parquet, or damaged: {error}");
    let reader = SerializedFileReader::new(bytes).map_err(damaged)?;
    let metadata = reader.metadata().file_metadata().clone();
    let schema = metadata.schema_descr();
    // What the parts say counts, for it is by them that rows are read.
    let rows = reader.metadata().row_groups().iter().map(|group| group.num_rows());
    let rows = rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
    let rows = rows.fold(0, usize::saturating_add);
    if rows.saturating_mul(schema.num_columns().max(1)) > MOST_CELLS {
        return Err(format!("claims to hold {rows} rows, more cells than the {MOST_CELLS} read"));
    }
    let mut columns: Vec<Column> = vec![];
    for descriptor in schema.columns() {
        let name = descriptor.path().string();
        if descriptor.max_rep_level() > 0 || descriptor.max_def_level() > 1 {
            return Err(format!(
                "has lists or groups in {name}: write the table with flat columns"
            ));
        }
        let cells =
            if is_text(descriptor) { Cells::Text(Texts::default()) } else { Cells::Number(vec![]) };
        columns.push(Column { name, cells });
    }
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        for (place, column) in columns.iter_mut().enumerate() {
            append(&*group, place, column)?;
        }
    }
    Ok(columns)
}

/// True for what becomes text: names, dates, truth values.
fn is_text(descriptor: &ColumnDescriptor) -> bool {
    use parquet::basic::Type;
    match descriptor.physical_type() {
        Type::BOOLEAN | Type::INT96 => true,
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => !is_decimal(descriptor),
        Type::INT32 | Type::INT64 => days_of(descriptor).is_some(),
        _ => false,
    }
}

fn is_decimal(descriptor: &ColumnDescriptor) -> bool {
    descriptor.converted_type() == ConvertedType::DECIMAL
        || matches!(descriptor.logical_type_ref(), Some(LogicalType::Decimal(_)))
}

/// What part of a day an integer counts, if it is a date or a time.
fn days_of(descriptor: &ColumnDescriptor) -> Option<f64> {
    const DAY_S: f64 = 86_400.0;
    Some(match (descriptor.logical_type_ref(), descriptor.converted_type()) {
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => 1.0,
        (Some(LogicalType::Timestamp(time)), _) => match time.unit {
            TimeUnit::MILLIS => 1.0 / (1e3 * DAY_S),
            TimeUnit::MICROS => 1.0 / (1e6 * DAY_S),
            TimeUnit::NANOS => 1.0 / (1e9 * DAY_S),
        },
        (_, ConvertedType::TIMESTAMP_MILLIS) => 1.0 / (1e3 * DAY_S),
        (_, ConvertedType::TIMESTAMP_MICROS) => 1.0 / (1e6 * DAY_S),
        _ => return None,
    })
}

/// Adds the cells that a group of rows has of a column.
fn append(group: &dyn RowGroupReader, place: usize, column: &mut Column) -> Result<(), String> {
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
    let descriptor = group.metadata().column(place).column_descr_ptr();
    let damaged = |error| format!("is damaged: {error}");
    let reader = group.get_column_reader(place).map_err(damaged)?;
    let scale = 10f64.powi(-descriptor.type_scale());
    let scale = if is_decimal(&descriptor) { scale } else { 1.0 };
    let unsigned = match (descriptor.logical_type_ref(), descriptor.converted_type()) {
        (Some(LogicalType::Integer(kind)), _) => !kind.is_signed,
        (_, kind) => matches!(kind, ConvertedType::UINT_32 | ConvertedType::UINT_64),
    };
    let days = days_of(&descriptor);
    let integer = |x: i64| match days {
        Some(part) => Cell::Days(x as f64 * part),
        None => Cell::Number(x as f64 * scale),
    };
    match reader {
        ColumnReader::BoolColumnReader(reader) => each(reader, rows, column, |x| {
            Ok(Cell::Text(if *x { "true".into() } else { "false".into() }))
        }),
        ColumnReader::Int32ColumnReader(reader) => each(reader, rows, column, |&x| {
            Ok(integer(if unsigned { x as u32 as i64 } else { x as i64 }))
        }),
        ColumnReader::Int64ColumnReader(reader) => each(reader, rows, column, |&x| {
            Ok(if unsigned { Cell::Number(x as u64 as f64) } else { integer(x) })
        }),
        ColumnReader::Int96ColumnReader(reader) => {
            each(reader, rows, column, |x| Ok(Cell::Days(x.to_millis() as f64 / 86_400e3)))
        }
        ColumnReader::FloatColumnReader(reader) => {
            each(reader, rows, column, |&x| Ok(Cell::Number(x as f64)))
        }
        ColumnReader::DoubleColumnReader(reader) => {
            each(reader, rows, column, |&x| Ok(Cell::Number(x)))
        }
        ColumnReader::ByteArrayColumnReader(reader) if is_decimal(&descriptor) => {
            each(reader, rows, column, |x| Ok(Cell::Number(big_endian(x.data()) * scale)))
        }
        ColumnReader::ByteArrayColumnReader(reader) => each(reader, rows, column, text),
        ColumnReader::FixedLenByteArrayColumnReader(reader) if is_decimal(&descriptor) => {
            each(reader, rows, column, |x| Ok(Cell::Number(big_endian(x.data()) * scale)))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            each(reader, rows, column, |x| text(x))
        }
    }
}

/// What becomes a cell.
enum Cell {
    Number(f64),
    /// Days since the start of 1970.
    Days(f64),
    Text(String),
}

fn text(bytes: &ByteArray) -> Result<Cell, String> {
    let text = std::str::from_utf8(bytes.data());
    text.map(|text| Cell::Text(text.into())).map_err(|_| "bytes that are no text".into())
}

/// An integer of any length with a sign.
fn big_endian(bytes: &[u8]) -> f64 {
    let negative = bytes.first().is_some_and(|&byte| byte >= 128);
    let digit = |sum: f64, &byte: &u8| 256.0 * sum + byte as f64;
    bytes.iter().fold(0.0, digit) - if negative { 256f64.powi(bytes.len() as i32) } else { 0.0 }
}

/// Adds what a reader gives for each of so many rows.
fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    column: &mut Column,
    cell: impl Fn(&T::T) -> Result<Cell, String>,
) -> Result<(), String> {
    let mut left = rows;
    let (mut there, mut values) = (vec![], vec![]);
    while left > 0 {
        there.clear();
        values.clear();
        let (read, ..) = reader
            .read_records(left.min(TOGETHER), Some(&mut there), None, &mut values)
            .map_err(|error| format!("is damaged in column {}: {error}", column.name))?;
        if read == 0 {
            return Err(format!("ends before its {rows} rows in column {}", column.name));
        }
        // Without levels, all are there.
        there.resize(read, 1);
        let mut values = values.iter();
        for level in &there {
            let value = if *level > 0 { values.next() } else { None };
            let own = value.map(&cell).transpose();
            let own = own.map_err(|what| format!("has {what} in column {}", column.name))?;
            match (&mut column.cells, own) {
                (Cells::Number(numbers), Some(Cell::Number(x))) => numbers.push(x),
                (Cells::Number(numbers), _) => numbers.push(f64::NAN),
                (Cells::Text(texts), Some(Cell::Text(text))) => texts.push(Some(&text)),
                (Cells::Text(texts), Some(Cell::Days(days))) => texts.push(Some(&date::show(days))),
                (Cells::Text(texts), _) => texts.push(None),
            }
        }
        left -= read;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::Compression;
    use parquet::data_type::{BoolType, ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    const SCHEMA: &str = "message m {
        OPTIONAL DOUBLE x; OPTIONAL BYTE_ARRAY name (UTF8); REQUIRED INT32 day (DATE);
        REQUIRED INT64 at (TIMESTAMP(MICROS,true)); REQUIRED BOOLEAN sure;
        REQUIRED INT32 price (DECIMAL(9,2)); REQUIRED BYTE_ARRAY large (DECIMAL(20,1)); }";

    /// A table of three rows in two groups.
    pub(in crate::source) fn encode(compression: Compression) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut bytes = vec![];
        let mut writer =
            SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
        for (rows, from) in [(2, 0), (1, 2)] {
            let mut group = writer.next_row_group().unwrap();
            let part = from..from + rows;
            macro_rules! column {
                ($kind:ty, $values:expr, $there:expr) => {{
                    let mut column = group.next_column().unwrap().unwrap();
                    column.typed::<$kind>().write_batch($values, $there, None).unwrap();
                    column.close().unwrap();
                }};
            }
            let there: [i16; 3] = [1, 0, 1];
            let xs: [&[f64]; 2] = [&[1.5], &[-2.0]];
            column!(DoubleType, xs[from / 2], Some(&there[part.clone()]));
            let names = ["a", "ü"].map(ByteArray::from);
            let own = [&names[..1], &names[1..]][from / 2];
            column!(ByteArrayType, own, Some(&there[part.clone()]));
            column!(Int32Type, &[0, 20_543, -1][part.clone()], None);
            column!(Int64Type, &[0, 43_200_000_000, 1_500_000][part.clone()], None);
            column!(BoolType, &[true, false, true][part.clone()], None);
            column!(Int32Type, &[150, -275, 0][part.clone()], None);
            let large = [vec![1u8, 0], vec![255, 246], vec![0]].map(ByteArray::from);
            column!(ByteArrayType, &large[part], None);
            group.close().unwrap();
        }
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn every_kind_of_column_is_read() {
        let snappy = Compression::SNAPPY;
        let all = [
            Compression::UNCOMPRESSED,
            snappy,
            Compression::GZIP(Default::default()),
            Compression::ZSTD(Default::default()),
        ];
        for compression in all {
            let frame = decode(encode(compression), Path::new("t.parquet")).unwrap();
            let column = |name: &str| {
                let cells = &frame.column(name).unwrap().cells;
                let text = |row| cells.text(row).unwrap_or("-".into());
                (0..3).map(text).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(column("x"), "1.5 - -2");
            assert_eq!(column("name"), "a - ü");
            assert_eq!(column("day"), "1970-01-01 2026-03-31 1969-12-31");
            let times = "1970-01-01 1970-01-01T12:00:00.000 1970-01-01T00:00:01.500";
            assert_eq!(column("at"), times);
            assert_eq!(column("sure"), "true false true");
            assert_eq!(column("price"), "1.5 -2.75 0");
            assert_eq!(column("large"), "25.6 -1 0");
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let said = |bytes: &[u8]| decode(bytes.into(), Path::new("t")).unwrap_err().to_string();
        assert!(said(b"PAR1").starts_with("t: is no Parquet, or damaged: "));
        let whole = encode(Compression::SNAPPY);
        for cut in [10, whole.len() / 2, whole.len() - 1] {
            assert!(said(&whole[..cut]).starts_with("t: is"), "{cut}");
        }
        let schema = "message m { REQUIRED GROUP g { REQUIRED INT32 x; REPEATED INT32 y; } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = vec![];
        let writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
        writer.close().unwrap();
        let wanted = "t: has lists or groups in g.y: write the table with flat columns";
        assert_eq!(said(&bytes), wanted);
    }
}
