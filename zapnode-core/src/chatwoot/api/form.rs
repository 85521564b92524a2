//! The form that a message with a file is sent as.

use serde_json::Value;

use super::File;

pub(super) fn multipart(boundary: &str, fields: &Value, file: &File) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.bytes.len() + 1024);
    let mut part = |head: &str, bytes: &[u8]| {
        out.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
        );
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    };
    for (name, value) in fields.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            // As Rails reads what is inside something.
            Value::Object(inside) => {
                for (inner, value) in inside {
                    part(&format!("name=\"{name}[{inner}]\""), text(value).as_bytes());
                }
            }
            value => part(&format!("name=\"{name}\""), text(value).as_bytes()),
        }
    }
    // A name with a quote or a break in it would end the header.
    let name: String = file
        .name
        .chars()
        .filter(|c| !c.is_control() && *c != '"')
        .collect();
    let content_type: String = file
        .content_type
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let head =
        format!("name=\"attachments[]\"; filename=\"{name}\"\r\nContent-Type: {content_type}");
    part(&head, &file.bytes);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let file = File {
            name: "a\"\r\nX: y.png".to_owned(),
            content_type: "image/png".to_owned(),
            bytes: b"bytes".to_vec(),
        };
        let form = multipart(
            "b",
            &json!({"content": "olá", "private": true, "source_id": null, "content_attributes": {"in_reply_to": 7}}),
            &file,
        );
        let form = String::from_utf8(form).expect("text");
        assert!(form.contains("filename=\"aX: y.png\"\r\n"), "{form}");
        assert!(
            form.contains("name=\"content\"\r\n\r\nolá\r\n") && form.contains("\r\n\r\ntrue\r\n")
        );
        assert!(form.contains("name=\"content_attributes[in_reply_to]\"\r\n\r\n7\r\n"));
        assert!(!form.contains("source_id") && form.ends_with("--b--\r\n"));
    }
}
