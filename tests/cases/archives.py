"""Archives of each kind, made in memory."""

import io
import struct
import tarfile
import zipfile
import zlib


def packed(path, members, compression=zipfile.ZIP_DEFLATED):
    """An archive by its ending; members: {name: bytes}, or [(name or TarInfo, bytes)] of a tar."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", compression=compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    elif path.suffix == ".rar":
        path.write_bytes(rar(members))
    else:
        with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
            for name, data in members.items() if isinstance(members, dict) else members:
                info = tarfile.TarInfo(name) if isinstance(name, str) else name
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def rar(files):
    """RAR 4 with stored members, by its technical note: marker, archive header, file headers."""

    def block(kind, flags, body, data=b""):
        head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data

    out = b"Rar!\x1a\x07\x00" + block(0x73, 0, b"\0" * 6)
    for name, data in files.items():
        sizes = (len(data), len(data), 3, zlib.crc32(data), 0, 20, 0x30, len(name.encode()))
        body = struct.pack("<IIBIIBBHI", *sizes, 0o100644) + name.encode()
        out += block(0x74, 0x8000, body, data)
    return out + block(0x7B, 0x4000, b"")
