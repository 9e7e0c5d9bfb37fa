//! `format=flowed` (RFC 3676): lines that were broken for the journey alone.

/// The text with its soft line breaks undone; `delsp` as the content type says.
pub(in crate::mail) fn unflowed(text: &str, delsp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let rest = line.get(depth..).unwrap_or_default();
        let stuffed = rest.strip_prefix(' ').unwrap_or(rest);
        let signs = stuffed.trim_end() == "--";
        if open == Some(depth) && !signs {
            out.push_str(stuffed);
        } else {
            if open.is_some() {
                out.push('\n');
            }
            out.push_str(line.get(..depth).unwrap_or_default());
            if depth > 0 {
                out.push(' ');
            }
            out.push_str(stuffed);
        }
        let flows = stuffed.ends_with(' ') && !signs;
        open = flows.then_some(depth);
        if !flows {
            out.push('\n');
        } else if delsp {
            out.pop();
        }
    }
    out
}
