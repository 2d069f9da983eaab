"""What a file is by its first bytes, for people whose picture is none."""

KINDS = {
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "ICO": (b"\0\0\1\0", b"\0\0\2\0"),
    "PDF": (b"%PDF",),
    "PostScript": (b"%!PS",),
    "Photoshop": (b"8BPS",),
    "WebM": (b"\x1a\x45\xdf\xa3",),
    "a zip file": (b"PK\3\4",),
    "a gzip file": (b"\x1f\x8b",),
}
"""What else comes under the name of a picture."""
PICTURE_BRANDS = (b"avi", b"mif", b"msf", b"hei", b"hev")
PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<title")
READ = {
    "JPEG": (b"\xff\xd8",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
}


def name(data: bytes) -> str:
    """Of the format, as a sentence goes on after "this is"."""
    for kind, starts in KINDS.items():
        if data.startswith(starts):
            return kind
    if data[4:8] == b"ftyp" and data[8:11] in PICTURE_BRANDS:
        return "HEIC or AVIF, but damaged"
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return "MP4, or another film"
    text = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(PAGES) or (text.startswith(b"<") and b"<html" in text):
        return "a web page"
    if text.startswith(b"<") and b"<svg" in text:
        return "SVG"
    if b"%pdf-" in text[:1024]:
        return "PDF"
    if data.startswith(b"RIFF"):
        return "WebP, but damaged" if data[8:12] == b"WEBP" else "AVI, or a sound"
    for kind, starts in READ.items():
        if data.startswith(starts):
            return f"{kind}, but damaged"
    return "something else, or damaged"
