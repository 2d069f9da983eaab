"""What a file is by its first bytes, for people whose picture is none."""

from clip_ranker.errors import NotAnImageError

KINDS = {
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "ICO": (b"\0\0\1\0", b"\0\0\2\0"),
    "PDF": (b"%PDF",),
    "PostScript": (b"%!PS",),
    "Photoshop": (b"8BPS",),
    "WebM": (b"\x1a\x45\xdf\xa3",),
}
"""What else comes under the name of a picture."""
ARCHIVES = {
    "zip": (b"PK\3\4",),
    "gzip": (b"\x1f\x8b",),
}
PICTURE_BRANDS = (b"avi", b"mif", b"msf", b"hei", b"hev")
PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<title")
READ = {
    "JPEG": (b"\xff\xd8",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "WebP": (b"RIFF",),
}


def explain(data: bytes) -> NotAnImageError:
    """The error that names the format."""
    for code, kinds in (("format", KINDS), ("format_archive", ARCHIVES)):
        for kind, starts in kinds.items():
            if data.startswith(starts):
                return NotAnImageError(code, format=kind)
    if data[4:8] == b"ftyp" and data[8:11] in PICTURE_BRANDS:
        return NotAnImageError("format_heif_damaged")
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return NotAnImageError("format_film")
    text = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(PAGES) or (text.startswith(b"<") and b"<html" in text):
        return NotAnImageError("format_page")
    if text.startswith(b"<") and b"<svg" in text:
        return NotAnImageError("format", format="SVG")
    if b"%pdf-" in text[:1024]:
        return NotAnImageError("format", format="PDF")
    if data.startswith(b"RIFF") and data[8:12] != b"WEBP":
        return NotAnImageError("format_sound")
    for kind, starts in READ.items():
        if data.startswith(starts):
            return NotAnImageError("format_damaged", format=kind)
    return NotAnImageError("format_unknown")
