//! A figure as SVG: horizontal bars, readable on light and dark pages.

use std::fmt::Write as _;

use super::figure::{Bar, Figure};

const WIDTH: f64 = 640.0;
const NAME_WIDTH: f64 = 170.0;
const VALUE_WIDTH: f64 = 110.0;
const ROW: f64 = 30.0;
const TOP: f64 = 44.0;

pub(super) fn svg(figure: &Figure) -> String {
    let height = TOP + ROW * figure.bars.len() as f64 + 10.0;
    let highest = figure.bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"14\" fill=\"#777\">"
    );
    let title = escape(&figure.title);
    let _ = writeln!(out, "<text x=\"10\" y=\"24\" font-weight=\"bold\">{title}</text>");
    for (row, Bar { name, value, is_ours }) in figure.bars.iter().enumerate() {
        let top = TOP + ROW * row as f64;
        let base = top + 15.0;
        let length = (WIDTH - NAME_WIDTH - VALUE_WIDTH) * value / highest;
        let colour = if *is_ours { "#d9822b" } else { "#8a9ba8" };
        let name = escape(name);
        let right = NAME_WIDTH - 10.0;
        let _ = writeln!(out, "<text x=\"{right}\" y=\"{base}\" text-anchor=\"end\">{name}</text>");
        let _ = writeln!(
            out,
            "<rect x=\"{NAME_WIDTH}\" y=\"{top}\" width=\"{length:.1}\" height=\"20\" \
             fill=\"{colour}\"/>"
        );
        let behind = NAME_WIDTH + length + 8.0;
        let digits = if *value < 10.0 { 3 } else { 0 };
        let unit = escape(figure.unit);
        let _ =
            writeln!(out, "<text x=\"{behind:.1}\" y=\"{base}\">{value:.digits$} {unit}</text>");
    }
    out.push_str("</svg>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width() {
        let bar = |name: &str, value| Bar { name: name.into(), value, is_ours: false };
        let bars = vec![bar("a<b", 50.0), bar("c", 100.0)];
        let text = svg(&Figure { title: "t & u".into(), unit: "MB/s", bars });
        assert!(text.contains("width=\"180.0\"") && text.contains("width=\"360.0\""), "{text}");
        assert!(text.contains("a&lt;b") && text.contains("t &amp; u"), "{text}");
    }
}
