"""Generate the spoken French digits of the captcha: chalicelib/voices/<digit>/<voice>.wav.

Needs espeak-ng and sox on the PATH. The committed files are from espeak-ng 1.51; the same versions give the same bytes.
The service needs neither program. Run this only to change a voice, listen to the result, and commit the files.
"""

import subprocess
import tempfile
from pathlib import Path

from infra.tools.command_line import no_arguments

VOICES = Path(__file__).parents[2] / "chalicelib" / "voices"
DIGITS = ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf")
SPEAKERS = (  # espeak-ng voice, words a minute, pitch: different voices, all slow enough to write the digits down
    ("fr", 120, 45),
    ("fr+f2", 130, 55),
    ("fr+f4", 125, 45),
    ("fr+m7", 130, 40),
    ("fr-be+f3", 120, 60),
    ("fr-ch+m3", 115, 35),
)
WAVE = (
    "-t",
    "wav",
    "-r",
    "8000",
    "-c",
    "1",
    "-b",
    "8",
    "-e",
    "unsigned-integer",
)  # the format that the library `captcha` reads
LEVEL = ("rate", "8000", "gain", "-n", "-1")
# Most digits end in a quiet consonant ("six", "sept"). So only silence is cut, and nothing that 8 bits can represent.
TRIM = (
    "silence",
    "1",
    "0.005",
    "0.5%",
    "reverse",
    "silence",
    "1",
    "0.005",
    "0.5%",
    "fade",
    "0.005",
    "reverse",
)


def speak(word: str, voice: str, speed: int, pitch: int, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spoken = f"{folder}/spoken.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", spoken, word], check=True)
        subprocess.run(["sox", "-D", spoken, *WAVE, str(target), *LEVEL, *TRIM], check=True)


def main() -> None:
    total = 0
    for digit, word in enumerate(DIGITS):
        folder = VOICES / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        for voice, speed, pitch in SPEAKERS:
            target = folder / f"{voice.replace('+', '-')}.wav"
            speak(word, voice, speed, pitch, target)
            total += target.stat().st_size
    print(f"{len(DIGITS) * len(SPEAKERS)} files, {total} bytes")


if __name__ == "__main__":
    no_arguments("infra.tools.voices", "Generate the spoken digits of the captcha in chalicelib/voices.")
    main()
