//! One component of a pattern.

/// A name on the way, or what it must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Component {
    Literal(Vec<u8>),
    Glob(Glob),
    /// `**`: directories, none to `PATTERN_DEPTH_MAX` of them.
    AnyDepth,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// Boxed, as there is a token per character and few are classes.
    Class(Box<Class>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

/// A character of a name, or a byte of it that is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Char(char),
    Byte,
}

impl Component {
    /// `unknown` becomes the first character behind a `%` that is no part of a date.
    pub(super) fn parse(text: &str, unknown: &mut Option<char>) -> Self {
        if text == "**" {
            return Self::AnyDepth;
        }
        let tokens = tokens(text, unknown);
        let mut literal = String::new();
        for token in &tokens {
            let Token::Char(c) = token else { return Self::Glob(Glob { tokens }) };
            literal.push(*c);
        }
        Self::Literal(literal.into_bytes())
    }
}

impl Glob {
    pub(super) fn any() -> Self {
        Self { tokens: vec![Token::Run] }
    }

    /// A leading dot has to be written. The last `*` alone is ever gone back to, so the time is
    /// bounded by the product of both lengths.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        if name.starts_with(b".") && self.tokens.first() != Some(&Token::Char('.'))
            || matches!(name, b"." | b"..")
        {
            return false;
        }
        let units: Vec<Unit> = name
            .utf8_chunks()
            .flat_map(|chunk| {
                let bytes = chunk.invalid().iter().map(|_| Unit::Byte);
                chunk.valid().chars().map(Unit::Char).chain(bytes)
            })
            .collect();
        let (mut token, mut unit) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while unit < units.len() {
            match self.tokens.get(token) {
                Some(Token::Run) => {
                    retry = Some((token + 1, unit));
                    token += 1;
                }
                Some(one) if one.takes(units[unit]) => {
                    token += 1;
                    unit += 1;
                }
                _ => {
                    let Some((behind, from)) = retry else { return false };
                    retry = Some((behind, from + 1));
                    (token, unit) = (behind, from + 1);
                }
            }
        }
        self.tokens[token..].iter().all(|token| *token == Token::Run)
    }
}

impl Token {
    fn takes(&self, unit: Unit) -> bool {
        match (self, unit) {
            (Self::One, _) => true,
            (Self::Char(c), Unit::Char(other)) => *c == other,
            (Self::Class(class), Unit::Char(c)) => {
                class.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != class.negated
            }
            (Self::Class(class), Unit::Byte) => class.negated,
            (Self::Char(_), Unit::Byte) | (Self::Run, _) => false,
        }
    }
}

fn tokens(text: &str, unknown: &mut Option<char>) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    // If one `[` is never closed, none behind it is.
    let mut closes = true;
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        match (chars[at], next) {
            ('\\', Some(next)) => {
                tokens.push(Token::Char(next));
                at += 2;
            }
            ('*', _) => {
                if tokens.last() != Some(&Token::Run) {
                    tokens.push(Token::Run);
                }
                at += 1;
            }
            ('?', _) => {
                tokens.push(Token::One);
                at += 1;
            }
            ('[', _) if closes => {
                if let Some((class, end)) = class(&chars, at) {
                    tokens.push(Token::Class(Box::new(class)));
                    at = end;
                } else {
                    closes = false;
                    tokens.push(Token::Char('['));
                    at += 1;
                }
            }
            ('%', Some('%')) => {
                tokens.push(Token::Char('%'));
                at += 2;
            }
            ('%', Some(spec)) => {
                if date(spec, &mut tokens) {
                    at += 2;
                } else {
                    unknown.get_or_insert(spec);
                    tokens.push(Token::Char('%'));
                    at += 1;
                }
            }
            (c, _) => {
                tokens.push(Token::Char(c));
                at += 1;
            }
        }
    }
    tokens
}

/// A class that begins at `from`, and where it ends; `None` if it is never closed.
fn class(chars: &[char], from: usize) -> Option<(Class, usize)> {
    let mut at = from + 1;
    let negated = matches!(chars.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let first = at;
    let mut ranges = Vec::new();
    loop {
        match (*chars.get(at)?, at > first) {
            (']', true) => return Some((Class { negated, ranges }, at + 1)),
            ('\\', _) => at += 1,
            _ => {}
        }
        let low = *chars.get(at)?;
        at += 1;
        let mut high = low;
        if chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|c| *c != ']') {
            at += 1;
            if chars[at] == '\\' {
                at += 1;
            }
            high = *chars.get(at)?;
            at += 1;
        }
        ranges.push((low, high));
    }
}

/// Any date's text for a conversion of `strftime(3)`; false if there is none of known width.
fn date(spec: char, tokens: &mut Vec<Token>) -> bool {
    let class = |ranges: &[(char, char)]| {
        Token::Class(Box::new(Class { negated: false, ranges: ranges.to_vec() }))
    };
    let digit = [('0', '9')];
    let widths: &[usize] = match spec {
        'Y' => &[4],
        'y' | 'm' | 'd' | 'H' | 'I' | 'M' | 'S' => &[2],
        'j' => &[3],
        'F' => &[4, 2, 2],
        'e' => {
            tokens.extend([class(&[('0', '9'), (' ', ' ')]), class(&digit)]);
            return true;
        }
        'b' | 'a' => {
            tokens.extend((0..3).map(|_| class(&[('A', 'Z'), ('a', 'z')])));
            return true;
        }
        _ => return false,
    };
    for (at, width) in widths.iter().enumerate() {
        if at > 0 {
            tokens.push(Token::Char('-'));
        }
        tokens.extend((0..*width).map(|_| class(&digit)));
    }
    true
}
