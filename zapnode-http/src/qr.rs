//! QR codes as picture, drawing and text.

use qrcode::render::{svg, unicode};
use qrcode::{Color, EcLevel, QrCode};

/// Empty modules around the code, as the standard wants them.
const QUIET_ZONE: usize = 4;
/// Pixels of one module.
const MODULE: usize = 8;

/// A text that does not fit into a QR code, or a picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the QR code could not be drawn")]
pub struct QrError;

fn code(text: &str) -> Result<QrCode, QrError> {
    // Level L, as WhatsApp Web itself: on a screen nothing is dirty, and large modules scan best.
    QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| QrError)
}

/// A PNG, black on white, eight pixels a module.
///
/// # Errors
/// [`QrError`].
pub fn png(text: &str) -> Result<Vec<u8>, QrError> {
    let code = code(text)?;
    let modules = code.width();
    let side = (modules + 2 * QUIET_ZONE) * MODULE;
    let mut pixels = vec![0xff_u8; side * side];
    let colors = code.to_colors();
    for (y, row) in pixels.chunks_exact_mut(side).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let module = |at: usize| (at / MODULE).checked_sub(QUIET_ZONE);
            let (Some(column), Some(line)) = (module(x), module(y)) else {
                continue;
            };
            if column < modules
                && line < modules
                && colors.get(line * modules + column) == Some(&Color::Dark)
            {
                *pixel = 0;
            }
        }
    }
    let mut file = Vec::new();
    let width = u32::try_from(side).map_err(|_| QrError)?;
    let mut encoder = png::Encoder::new(&mut file, width, width);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|_| QrError)?;
    writer.write_image_data(&pixels).map_err(|_| QrError)?;
    writer.finish().map_err(|_| QrError)?;
    Ok(file)
}

/// An SVG, black on white.
///
/// # Errors
/// [`QrError`].
pub fn svg(text: &str) -> Result<String, QrError> {
    let code = code(text)?;
    Ok(code
        .render::<svg::Color<'_>>()
        .module_dimensions(8, 8)
        .build())
}

/// Half-block characters, two modules each, for a terminal. The light modules are what is drawn,
/// because most terminals are dark.
///
/// # Errors
/// [`QrError`].
pub fn half_blocks(text: &str) -> Result<String, QrError> {
    let code = code(text)?;
    Ok(code
        .render::<unicode::Dense1x2>()
        .dark_color(unicode::Dense1x2::Light)
        .light_color(unicode::Dense1x2::Dark)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_has_the_codes_size_a_white_border_and_a_dark_corner() {
        let text = "2@abc,def,ghi";
        let side = (code(text).expect("short").width() + 8) * 8;
        let file = png(text).expect("short");
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file))
            .read_info()
            .expect("a png");
        let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!((info.width as usize, info.height as usize), (side, side));
        assert!(pixels[..side * 32].iter().all(|p| *p == 0xff), "quiet zone");
        assert_eq!(pixels[side * 32 + 32], 0, "the finder's corner");
    }

    #[test]
    fn drawings_have_the_right_form() {
        let svg = svg("2@abc").expect("short");
        assert!(svg.contains("<svg") && svg.ends_with("</svg>"), "{svg}");
        let blocks = half_blocks("2@abc").expect("short");
        let widths: Vec<_> = blocks.lines().map(|l| l.chars().count()).collect();
        assert!(
            widths.iter().all(|w| *w == widths[0] && *w >= 29),
            "{widths:?}"
        );
        assert!(blocks.starts_with('█'), "the border is light");
        assert!(png(&"x".repeat(4000)).is_err(), "too long for any code");
    }
}
