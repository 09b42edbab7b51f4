//! A line with gaps. In braces stand the name of a field or alternatives, and other braces are
//! themselves.

/// A part of a template.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Field(Field),
    OneOf(Vec<Vec<Part>>),
}

/// What fills a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Address,
    Agent,
    Base36(usize),
    Base64(usize),
    /// As the common log format has it.
    ClfTime,
    Date,
    Digits(usize),
    Epoch,
    Hex(usize),
    Host,
    Iso,
    Name,
    /// Below so many; small ones come more often.
    Number(u64),
    Path,
    Port,
    Process,
    Sentence,
    Sequence,
    Time,
    Url,
    User,
    UserId,
    Uuid,
    Word,
    /// With a capital.
    WordUpper,
    Year,
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        if let Some((kind, size)) = name.split_once(':') {
            let size: u32 = size.parse().ok()?;
            return Some(match kind {
                "b36" => Self::Base36(size as usize),
                "b64" => Self::Base64(size as usize),
                "d" => Self::Digits(size as usize),
                "n" => Self::Number(u64::from(size)),
                "x" => Self::Hex(size as usize),
                _ => return None,
            });
        }
        Some(match name {
            "agent" => Self::Agent,
            "clf" => Self::ClfTime,
            "date" => Self::Date,
            "epoch" => Self::Epoch,
            "hms" => Self::Time,
            "host" => Self::Host,
            "ip" => Self::Address,
            "iso" => Self::Iso,
            "name" => Self::Name,
            "path" => Self::Path,
            "pid" => Self::Process,
            "port" => Self::Port,
            "sentence" => Self::Sentence,
            "seq" => Self::Sequence,
            "uid" => Self::UserId,
            "url" => Self::Url,
            "user" => Self::User,
            "uuid" => Self::Uuid,
            "word" => Self::Word,
            "Word" => Self::WordUpper,
            "year" => Self::Year,
            _ => return None,
        })
    }
}

pub(super) fn parse(line: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (taken, part) = match first {
            '\\' if rest[1..].starts_with(['{', '}']) => (1, None),
            '{' => gap(rest).map_or((0, None), |(len, part)| (len, Some(part))),
            _ => (0, None),
        };
        rest = &rest[taken..];
        if let Some(part) = part {
            parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
            parts.push(part);
        } else if let Some(letter) = rest.chars().next() {
            text.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    parts.extend((!text.is_empty()).then_some(Part::Text(text)));
    parts
}

/// The gap that begins here, if one does, and its length.
fn gap(text: &str) -> Option<(usize, Part)> {
    let (mut depth, mut begin, mut alternatives) = (0, 1, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '|' if depth == 1 => {
                alternatives.push(&text[begin..at]);
                begin = at + 1;
            }
            '}' if depth == 1 => {
                let last = &text[begin..at];
                let len = at + 1;
                if alternatives.is_empty() {
                    return Field::parse(last).map(|field| (len, Part::Field(field)));
                }
                alternatives.push(last);
                return Some((len, Part::OneOf(alternatives.into_iter().map(parse).collect())));
            }
            '}' => depth -= 1,
            _ => (),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces() {
        let check = |line: &str, expect: &str| assert_eq!(format!("{:?}", parse(line)), expect);
        check("a", "[Text(\"a\")]");
        check("{\"a\":{}}", "[Text(\"{\\\"a\\\":{}}\")]");
        check("{ip}", "[Field(Address)]");
        check("{\"a\":{d:3}}", "[Text(\"{\\\"a\\\":\"), Field(Digits(3)), Text(\"}\")]");
        check("{a|{x:2}|}", "[OneOf([[Text(\"a\")], [Field(Hex(2))], []])]");
        check("\\{ip\\}", "[Text(\"{ip}\")]");
    }
}
