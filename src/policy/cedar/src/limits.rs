//! Limits that Cedar itself does not have. Its parser and its trees recurse without a bound (a
//! thousand nested brackets end the process), and its validator accepts what it runs out of stack
//! for. So: brackets and bytes are bounded before parsing, the tree before validation.

use serde_json::Value;

pub const MAX_BRACKETS: usize = 32;
pub const MAX_POLICY_BYTES: usize = 16 * 1024;
pub const MAX_TREE: usize = 256;

/// The place of the first thing that is over a limit, and what it is.
pub fn check_text(text: &str) -> Result<(), (usize, &'static str)> {
    let bytes = text.as_bytes();
    let (mut depth, mut policy_start, mut i) = (0usize, 0, 0);
    while i < bytes.len() {
        if i - policy_start > MAX_POLICY_BYTES {
            return Err((policy_start, "a policy of more than 16 KiB"));
        }
        match bytes[i] {
            b'"' => i = string_end(bytes, i).ok_or((i, "a string without an end"))?,
            b'/' if bytes.get(i + 1) == Some(&b'/') => {
                let line_end = bytes[i..].iter().position(|b| matches!(b, b'\n' | b'\r'));
                let n = line_end.unwrap_or(bytes.len() - i);
                // Comments are not part of a policy's size.
                policy_start += n;
                i += n;
                continue;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return Err((i, "more than 32 nested brackets"));
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b';' => {
                depth = 0;
                policy_start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

/// The index of the closing quote.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            b'"' => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Whether the tree of a policy (its JSON form) is one that the validator can walk.
pub fn small_tree(policy: &Value) -> bool {
    let conditions = policy.get("conditions").and_then(Value::as_array);
    conditions.is_some_and(|c| c.len() <= MAX_TREE / 4 && c.iter().all(|c| fits(c)))
}

fn fits(root: &Value) -> bool {
    let mut todo = vec![(root, 0)];
    while let Some((value, depth)) = todo.pop() {
        // An expression's node is two levels: the operator, and its operands by name.
        if depth > 2 * MAX_TREE {
            return false;
        }
        match value {
            Value::Array(items) => todo.extend(items.iter().map(|v| (v, depth + 1))),
            Value::Object(items) => todo.extend(items.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_outside_strings_and_comments() {
        let deep = "(".repeat(33);
        assert_eq!(check_text(&deep), Err((32, "more than 32 nested brackets")));
        assert!(check_text(&format!("\"{deep}\"")).is_ok());
        assert!(check_text(&format!("// {deep}\n{}", "(".repeat(32))).is_ok());
        assert!(check_text(&format!("\"\\\"{deep}\"")).is_ok());
        assert!(check_text(&format!("\"\" {deep}")).is_err());
        assert_eq!(check_text("a \"b"), Err((2, "a string without an end")));
    }

    #[test]
    fn a_policy_has_a_size() {
        let long = "a".repeat(MAX_POLICY_BYTES);
        assert!(check_text(&format!("{long};{long};")).is_ok());
        assert_eq!(check_text(&format!(";{long}aa;")), Err((1, "a policy of more than 16 KiB")));
    }
}
