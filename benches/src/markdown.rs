//! Tables in Markdown.

/// A table; nothing if it has no rows. All columns but the first are numbers.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let header: Vec<String> = header.iter().map(|cell| cell.to_string()).collect();
    let rule = format!("|---|{}\n", "---:|".repeat(header.len() - 1));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    line(&header) + &rule + &rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_header_and_rows() {
        let rows = [vec!["a".to_string(), "1".to_string()]];
        assert_eq!(table(&["", "n"], &rows), "|  | n |\n|---|---:|\n| a | 1 |\n");
        assert_eq!(table(&["", "n"], &[]), "");
    }
}
