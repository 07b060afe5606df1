"""Make the French digits that the sound of the captcha is spoken with: chalicelib/voices/<digit>/<voice>.wav.

Needs espeak-ng (1.51 made the ones kept here) and sox on the PATH; the same versions give the same bytes.
The service itself needs neither: run this only to change a voice, listen, and commit the files.
"""

import subprocess
import tempfile
from pathlib import Path

from infra.tools.command_line import no_arguments

VOICES = Path(__file__).parents[2] / "chalicelib" / "voices"
DIGITS = ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf")
SPEAKERS = (  # espeak-ng voice, words a minute, pitch: unlike one another, all slow enough to be written down
    ("fr", 120, 45),
    ("fr+f2", 130, 55),
    ("fr+f4", 125, 45),
    ("fr+m7", 130, 40),
    ("fr-be+f3", 120, 60),
    ("fr-ch+m3", 115, 35),
)
WAVE = ("-t", "wav", "-r", "8000", "-c", "1", "-b", "8", "-e", "unsigned-integer")  # what `captcha` reads
LEVEL = ("rate", "8000", "gain", "-n", "-1")
# Quiet consonants end most digits ("six", "sept"): all that 8 bits can hold is kept, and only silence is cut.
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
    no_arguments("infra.tools.voices", "Make the spoken digits of the captcha again, in chalicelib/voices.")
    main()
