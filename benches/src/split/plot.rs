//! Errors as pictures: panels with lines over a logarithmic axis, as SVG for light and dark pages.

use std::fmt::Write;

/// One plot of a picture.
pub struct Panel {
    pub title: String,
    /// What the x axis shows.
    pub x_title: &'static str,
    /// Places on the x axis that are named.
    pub x_ticks: Vec<(f64, String)>,
    /// Points of each line, in the order of the names.
    pub lines: Vec<Vec<(f64, f64)>>,
    /// From where to where on the x axis the ground is shaded.
    pub shaded: Vec<(f64, f64)>,
}

/// The size of a plot and of what is around it, in pixels.
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 34.0;
const CELL: [f64; 2] = [LEFT + WIDTH + 24.0, TOP + HEIGHT + 50.0];
const LEGEND: f64 = 34.0;

/// The powers of ten that the y axis reaches from and to. What is beyond lies at its end.
const POWERS: [i32; 2] = [-9, 0];

/// A picture: the names of the lines, and the panels, some in a row.
pub fn picture(title: &str, names: &[&str], shade: Option<&str>, panels: &[Panel]) -> String {
    let across = panels.len().min(3);
    let rows = panels.len().div_ceil(across);
    let (width, height) = (CELL[0] * across as f64, LEGEND + CELL[1] * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
    );
    legend(&mut svg, names, shade);
    for (index, panel) in panels.iter().enumerate() {
        let x = LEFT + CELL[0] * (index % across) as f64;
        let y = LEGEND + TOP + CELL[1] * (index / across) as f64;
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        panel.draw(&mut svg);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

const STYLE: &str = "\
text{font:12px sans-serif;fill:#1b1f24}.page{fill:#fff}.grid{stroke:#e1e4e8}.axis{stroke:#868f99}\
.title{font-weight:bold}.end{text-anchor:end}.middle{text-anchor:middle}.shade{fill:#f1e3c6;shape-rendering:crispEdges}\
polyline{fill:none;stroke-width:2}.line-0{stroke:#57606a;stroke-width:5;stroke-opacity:.45}\
.line-1{stroke:#c2500a}.line-2{stroke:#1d7a4f}.line-3{stroke:#0b6bb5;stroke-dasharray:6 3}\
@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.page{fill:#12151a}.grid{stroke:#2b323a}\
.axis{stroke:#737d88}.shade{fill:#3a321f}.line-0{stroke:#a3adb8}.line-1{stroke:#f5964a}\
.line-2{stroke:#7fd6a4}.line-3{stroke:#5cb3f2}}";

fn legend(svg: &mut String, names: &[&str], shade: Option<&str>) {
    let mut x = LEFT;
    for (index, name) in names.iter().enumerate() {
        let end = x + 28.0;
        let _ = writeln!(
            svg,
            "<polyline class=\"line-{index}\" points=\"{x},18 {end},18\"/>\
             <text x=\"{}\" y=\"22\">{name}</text>",
            end + 6.0
        );
        x = end + 26.0 + 7.0 * name.chars().count() as f64;
    }
    if let Some(name) = shade {
        let _ = writeln!(
            svg,
            "<rect class=\"shade\" x=\"{x}\" y=\"10\" width=\"28\" height=\"16\"/>\
             <text x=\"{}\" y=\"22\">{name}</text>",
            x + 34.0
        );
    }
}

impl Panel {
    fn draw(&self, svg: &mut String) {
        let (low, high) = self.reach();
        let x = |value: f64| WIDTH * (value - low) / (high - low);
        for &(from, to) in &self.shaded {
            let (from, to) = (x(from.clamp(low, high)), x(to.clamp(low, high)));
            let width = to - from;
            let _ = writeln!(
                svg,
                "<rect class=\"shade\" x=\"{from:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"/>"
            );
        }
        for power in (POWERS[0]..=POWERS[1]).step_by(3) {
            let y = place(10f64.powi(power));
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"end\" x=\"-8\" y=\"{:.1}\">10<tspan dy=\"-4\" font-size=\"9\">{}</tspan></text>",
                y + 4.0,
                power.to_string().replace('-', "−"),
            );
        }
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\"/>\
             <text class=\"title\" x=\"0\" y=\"-12\">{}</text>\
             <text class=\"end\" x=\"{WIDTH}\" y=\"{}\">{}</text>",
            self.title,
            HEIGHT + 36.0,
            self.x_title,
        );
        for (value, name) in &self.x_ticks {
            let _ = writeln!(
                svg,
                "<text class=\"middle\" x=\"{:.1}\" y=\"{}\">{name}</text>",
                x(*value),
                HEIGHT + 18.0,
            );
        }
        for (index, line) in self.lines.iter().enumerate() {
            let points =
                line.iter().map(|&(at, error)| format!("{:.1},{:.1}", x(at), place(error)));
            let points = points.collect::<Vec<_>>().join(" ");
            let _ = writeln!(svg, "<polyline class=\"line-{index}\" points=\"{points}\"/>");
        }
    }

    /// The ends of the x axis.
    fn reach(&self) -> (f64, f64) {
        let places = || self.lines.iter().flatten().map(|(x, _)| *x);
        (places().fold(f64::INFINITY, f64::min), places().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// How far below the top of the plot an error lies.
fn place(error: f64) -> f64 {
    let [low, high] = POWERS.map(f64::from);
    HEIGHT * (high - error.log10().clamp(low, high)) / (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_lie_between_the_ends() {
        assert_eq!(place(1.0), 0.0);
        assert_eq!(place(f64::INFINITY), 0.0);
        assert_eq!(place(1e-9), HEIGHT);
        assert_eq!(place(0.0), HEIGHT);
        assert!((place(1e-3) - HEIGHT / 3.0).abs() < 1e-9);
    }

    #[test]
    fn every_line_is_drawn() {
        let panel = Panel {
            title: "a".into(),
            x_title: "depth",
            x_ticks: vec![(0.0, "1".into())],
            lines: vec![vec![(0.0, 1e-3), (1.0, 1e-6)]; 2],
            shaded: vec![(0.5, 1.0)],
        };
        let svg = picture("t", &["one", "two"], Some("three"), &[panel]);
        assert_eq!(svg.matches("<polyline").count(), 4);
        assert!(svg.contains("points=\"0.0,63.3 250.0,126.7\""), "{svg}");
        assert_eq!(svg.matches("class=\"shade\"").count(), 2);
    }
}
