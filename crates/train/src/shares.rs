//! Which figures are shares of one, which people read in percent.

/// The words that the name of such a figure has one of. The dashboard's page takes them from here.
pub const SHARES: [&str; 8] =
    ["accuracy", "precision", "recall", "f1", "auc", "iou", "dice", "top"];

/// True for figures that are shares of one, by their name: `valid_accuracy`, `top_5`, `roc_auc`.
///
/// ```
/// use gradus_train::is_share;
///
/// assert!(is_share("valid_accuracy") && is_share("top_5"));
/// assert!(!is_share("loss") && !is_share("inaccuracy"));
/// ```
pub fn is_share(figure: &str) -> bool {
    figure.split('_').any(|word| SHARES.contains(&word))
}

/// The value of a figure for people: a share in percent, all else with four digits.
///
/// ```
/// use gradus_train::figure_text;
///
/// assert_eq!(figure_text("accuracy", 0.97251), "97.25 %");
/// assert_eq!(figure_text("loss", 0.25), "0.2500");
/// ```
pub fn figure_text(figure: &str, value: f64) -> String {
    if is_share(figure) { format!("{:.2} %", 100.0 * value) } else { format!("{value:.4}") }
}
