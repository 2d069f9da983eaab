"""What a file is by its first bytes, for people whose picture is none."""

from clip_ranker import markup
from clip_ranker.errors import NotAnImageError

KINDS = {
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "JPEG XR": (b"II\xbc\1",),
    "PDF": (b"%PDF",),
    "PostScript": (b"%!PS", b"\xc5\xd0\xd3\xc6"),
    "Photoshop": (b"8BPS",),
    "PNM": tuple(b"P%d%c" % (kind, space) for kind in range(1, 8) for space in b"\n\r\t "),
    "DDS": (b"DDS ",),
    "ICNS": (b"icns",),
    "WebM": (b"\x1a\x45\xdf\xa3",),
    "MPEG": (b"\0\0\1\xba", b"\0\0\1\xb3"),
}
"""What else comes under the name of a picture."""
ARCHIVES = {
    "zip": (b"PK\3\4",),
    "gzip": (b"\x1f\x8b",),
}
RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
"""Of cameras."""
RICH_TEXT = b"{\\rtf"
PICTURE_BRANDS = (b"avi", b"mif", b"msf", b"hei", b"hev")
FILM_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")
READ = {
    "JPEG": (b"\xff\xd8",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "WebP": (b"RIFF",),
}
TGA_KINDS, TGA_DEPTHS = (1, 2, 3, 9, 10, 11), (8, 15, 16, 24, 32)
TGA_HEADER_BYTES = 18
TEXT_BYTES = 1000
CONTROLS = bytes({*range(32), 127} - {*b"\t\n\r\f\x1b"})


def explain(data: bytes) -> NotAnImageError:
    """The error that names the format."""
    for code, kinds in (("format", KINDS), ("format_archive", ARCHIVES)):
        for kind, starts in kinds.items():
            if data.startswith(starts):
                return NotAnImageError(code, format=kind)
    if data[4:8] == b"ftyp" and data[8:11] in PICTURE_BRANDS:
        return NotAnImageError("format_heif_damaged")
    if data.startswith(RAW) or data[4:12] == b"ftypcrx ":
        return NotAnImageError("format_raw")
    if data[4:8] in FILM_BOXES:
        return NotAnImageError("format_film")
    if kind := markup.kind(data):
        if kind == "page":
            return NotAnImageError("format_page")
        return NotAnImageError("format", format=kind)
    if b"%PDF-" in data[:1024]:
        return NotAnImageError("format", format="PDF")
    if data.startswith(b"RIFF") and data[8:12] != b"WEBP":
        return NotAnImageError("format_sound")
    for kind, starts in READ.items():
        if data.startswith(starts):
            return NotAnImageError("format_damaged", format=kind)
    if data.startswith((b"\0\0\1\0", b"\0\0\2\0")) and any(data[4:6]):  # how many it holds
        return NotAnImageError("format", format="ICO")
    if _is_tga(data):
        return NotAnImageError("format", format="TGA")
    if data.startswith(RICH_TEXT):
        return NotAnImageError("format_rich_text")
    return NotAnImageError("format_text" if _is_text(data) else "format_unknown")


def _is_tga(data: bytes) -> bool:
    """It has no first bytes of its own: all that its header has must be possible."""
    if data[-18:] == b"TRUEVISION-XFILE.\0":
        return True
    header = data[:TGA_HEADER_BYTES]
    return (
        len(header) == TGA_HEADER_BYTES
        and header[1] in (0, 1)
        and header[2] in TGA_KINDS
        and header[16] in TGA_DEPTHS
        and any(header[12:14])
        and any(header[14:16])
    )


def _is_text(data: bytes) -> bool:
    start = data[:TEXT_BYTES]
    try:
        start.decode()
    except UnicodeDecodeError as error:
        if len(data) <= TEXT_BYTES or error.start < TEXT_BYTES - 3:  # else a character was cut
            return False
    return start == start.translate(None, CONTROLS)
