import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio import g711
from audio.errors import WavError
from audio.wav import read_wav, write_stereo_wav, write_wav

PCM = np.array([0, 256, -256, 16384, -32768, 32767], np.int16)
FLOATS = (PCM / np.float32(32768)).astype(np.float32)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def layout(tag: int, bits: int, channels: int = 1, extra: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, 8000, 8000 * block, block, bits) + extra)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("tag", "bits", "data", "expected"),
    [
        (1, 8, bytes([128, 129, 127, 192, 0, 255]), [0, 1 / 128, -1 / 128, 0.5, -1, 127 / 128]),
        (1, 16, PCM.astype("<i2").tobytes(), FLOATS),
        (1, 24, b"".join(int(s * 256).to_bytes(3, "little", signed=True) for s in PCM.tolist()), FLOATS),
        (1, 32, (PCM.astype("<i4") * 65536).tobytes(), FLOATS),
        (3, 32, FLOATS.astype("<f4").tobytes(), FLOATS),
        (3, 64, FLOATS.astype("<f8").tobytes(), FLOATS),
        (6, 8, g711.encode_alaw(PCM), g711.decode_alaw_float(g711.encode_alaw(PCM))),
        (7, 8, g711.encode_mulaw(PCM), g711.decode_mulaw_float(g711.encode_mulaw(PCM))),
    ],
)
def test_reads(
    tmp_path: Path, tag: int, bits: int, data: bytes, expected: list[float] | NDArray[np.float32]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(
        riff(chunk(b"LIST", b"odd"), layout(tag, bits), chunk(b"data", data), chunk(b"id3 ", b"x"))
    )
    samples, rate_hz = read_wav(path)
    assert rate_hz == 8000
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, expected, atol=1e-7)


def test_reads_the_extensible_format(tmp_path: Path) -> None:
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    extra = struct.pack("<HHI", 22, 16, 4) + guid
    path = tmp_path / "a.wav"
    path.write_bytes(riff(layout(0xFFFE, 16, extra=extra), chunk(b"data", PCM.astype("<i2").tobytes())))
    np.testing.assert_allclose(read_wav(path).samples, FLOATS)


def test_reads_a_stream_whose_writer_did_not_know_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(layout(1, 16)) + b"data\xff\xff\xff\xff" + PCM.astype("<i2").tobytes())
    np.testing.assert_allclose(read_wav(path).samples, FLOATS)


def test_stereo_is_mixed_down(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_stereo_wav(path, np.array([100, 200, 300], np.int16), np.array([300], np.int16), 16_000)
    samples, rate_hz = read_wav(path)
    assert rate_hz == 16_000
    assert (samples * 32768).tolist() == [200, 100, 150]


def test_the_standard_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    write_wav(path, PCM, 22_050)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        assert file.readframes(99) == PCM.astype("<i2").tobytes()
    np.testing.assert_allclose(read_wav(path).samples, FLOATS)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"ID3\x04 an mp3, not a wave file", "is not a WAV"),
        (b"RIFF\0\0", "is not a WAV"),
        (
            riff(layout(1, 16), chunk(b"data", b"\0" * 400))[:-100],
            "cut short: its data chunk says 400 bytes and 300",
        ),
        (riff(layout(1, 16)), "no data chunk"),
        (riff(chunk(b"data", b"\0\0")), "before it says in which format"),
        (riff(chunk(b"fmt ", b"\1\0"), chunk(b"data", b"\0\0")), "format chunk of 2 bytes"),
        (riff(layout(1, 16), chunk(b"data", b"")), "no sound"),
        (riff(layout(1, 16, channels=2), chunk(b"data", b"\0\0")), "inside a sample"),
        (riff(layout(1, 16, channels=6), chunk(b"data", b"\0" * 12)), "6 channels"),
        (riff(layout(0x55, 0), chunk(b"data", b"\0\0")), "format 85"),
        (riff(layout(1, 12), chunk(b"data", b"\0\0")), "12 bits"),
        (riff(layout(3, 32), chunk(b"data", struct.pack("<f", float("nan")))), "not numbers"),
    ],
)
def test_what_is_not_a_wav_is_named_with_its_mend(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(WavError, match=complaint) as caught:
        read_wav(path)
    assert str(path) in str(caught.value)
    assert caught.value.mend


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(WavError, match="cannot be read"):
            read_wav(path)
    with pytest.raises(WavError, match="cannot be written"):
        write_wav(tmp_path / "none" / "a.wav", PCM, 8000)
