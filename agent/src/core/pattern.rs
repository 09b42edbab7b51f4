//! Names with `*` and `?`.

/// `*` is any run of characters, `?` any one.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) && pattern[p] != b'*'
        {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p, t));
            p += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern, text, expect| assert_eq!(matches(pattern, text), expect, "{pattern}");
        check("*", "", true);
        check("app", "app", true);
        check("app", "apps", false);
        check("com.docker.*", "com.docker.compose.project", true);
        check("*.project", "com.docker.compose.project", true);
        check("a?c*e", "abcde", true);
        check("a?c*e", "abcd", false);
    }
}
