"""Event files are those that TensorBoard reads."""

import struct

from napari_centermask.training.run.tensorboard import EventFile, masked_crc


def test_event_files_follow_the_record_format(tmp_path):
    # The check value of CRC-32C for "123456789" is 0xE3069283 (RFC 3720, B.4).
    crc = 0xE3069283
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    file = EventFile(tmp_path)
    file.add(300, {"loss": 0.5, "name": "text", "flag": True})
    file.close()
    data, records = file.path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked_crc(data[:8])
        content = data[12 : 12 + length]
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc(content)
        records.append(content)
        data = data[16 + length :]
    assert b"brain.Event:2" in records[0]
    assert b"\x10\xac\x02" in records[1]  # step 300
    assert records[1].endswith(b"loss\x15" + struct.pack("<f", 0.5))
