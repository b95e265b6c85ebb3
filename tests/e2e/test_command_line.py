"""Manual pages and completion: made from the command line itself, so nothing of --help may be missing there, and shells really complete with the scripts."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COROLLA = pathlib.Path(os.environ.get("COROLLA_BIN", ROOT / "build" / "bin")) / "corolla"


def corolla(*args):
    return subprocess.run([COROLLA, *args], capture_output=True, text=True, check=True).stdout


def subcommands(text):
    """Those that a --help lists, and none of its examples."""
    found, inside = [], False
    for line in text.splitlines():
        if line.startswith("Subcommands:"):
            inside = True
        elif inside and (match := re.match(r"  ([a-z][a-z-]*)\s", line)):
            found.append(match[1])
        elif line and not line.startswith(" "):
            inside = False
    return found


def commands(words=()):
    yield words
    for name in subcommands(corolla(*words, "--help")):
        yield from commands((*words, name))


COMMANDS = list(commands())


def options(words):
    found = set()
    for line in corolla(*words, "--help").splitlines():
        if match := re.match(r"  (-[\w,-]+)", line):
            found.update(match[1].split(","))
    return found


def test_commands_are_found():
    assert ("up",) in COMMANDS and ("perf",) in COMMANDS and ("completion",) in COMMANDS
    assert {"-f", "--file", "--http", "--help"} <= options(("up",))


@pytest.mark.parametrize("words", COMMANDS, ids="-".join)
def test_the_manual_page_has_every_option_and_command(words, tmp_path):
    roff = corolla("help", "--man", *words)
    page = roff
    if shutil.which("man"):
        file = tmp_path / "page.1"
        file.write_text(roff)
        rendered = subprocess.run(["man", "--warnings", "-l", file], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "500", "LC_ALL": "C.UTF-8", "MANROFFOPT": ""})
        assert rendered.returncode == 0 and not rendered.stderr, rendered.stderr
        page = re.sub("\x1b\\[[0-9;]*m|.\x08", "", rendered.stdout)
    page = page.replace("\\-", "-")
    missing = [option for option in options(words) if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", page)]
    assert not missing
    for name in subcommands(corolla(*words, "--help")):
        assert re.search(rf"\b{name}\b", page), name


def test_every_page_can_be_written_at_once(tmp_path):
    corolla("help", "--man-pages", str(tmp_path / "man1"))
    assert {p.name for p in (tmp_path / "man1").iterdir()} == {"-".join(("corolla", *words)) + ".1" for words in COMMANDS}


def complete(line, folder):
    """What bash offers at the end of the line, with COMP_WORDS as readline makes it."""
    words = [w for w in re.split(r"(=)|\s", line) if w]
    if line.endswith((" ", "=")) and not line.endswith("="):
        words.append("")
    script = f'source <("{COROLLA}" completion bash); COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _corolla; printf "%s\\n" "${{COMPREPLY[@]}}"'
    run = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    assert not run.stderr, run.stderr
    return {w for w in run.stdout.split("\n") if w}


def test_bash_completes(tmp_path):
    (tmp_path / "fleet.yaml").touch()
    (tmp_path / "models").mkdir()
    assert complete("corolla ", tmp_path) >= {"up", "status", "stop", "perf", "completion"}
    assert complete("corolla st", tmp_path) == {"status", "stop"}
    for words in COMMANDS:
        assert complete(" ".join(("corolla", *words, "-")), tmp_path) == options(words), words
    assert complete("corolla up --h", tmp_path) == {"--http", "--help"}
    assert complete("corolla up --file f", tmp_path) == {"fleet.yaml"}
    assert complete("corolla up --file=", tmp_path) == {"fleet.yaml", "models"}
    assert complete("corolla up --file=f", tmp_path) == {"fleet.yaml"}
    assert complete("corolla up --models ", tmp_path) == {"models"}
    assert complete("corolla perf -i g", tmp_path) == {"grpc"}
    assert complete("corolla classify f", tmp_path) == {"fleet.yaml"}
    assert complete("corolla completion ", tmp_path) == {"bash", "zsh", "fish"}
    assert "--file" in complete("corolla up --name status --", tmp_path), "a value that is a command's name is still a value"
    assert complete("corolla up --name ", tmp_path) == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_reads(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    file = tmp_path / "script"
    file.write_text(corolla("completion", shell))
    run = subprocess.run([shell, "-n", file], capture_output=True, text=True)
    assert run.returncode == 0 and not run.stderr, run.stderr


def test_fish_completes(tmp_path):
    if not shutil.which("fish"):
        pytest.skip("no fish here")
    script = f"{COROLLA} completion fish | source; complete -C 'corolla perf -i '; echo then; complete -C 'corolla up --ht'"
    run = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(tmp_path), "PATH": f"{COROLLA.parent}:{os.environ['PATH']}"})
    first, second = run.stdout.split("then\n", 1)
    assert {line.split("\t")[0] for line in first.splitlines()} == {"http", "grpc"}
    assert second.startswith("--http")


def test_help_of_a_command_is_its_own():
    assert corolla("help", "up") == corolla("up", "--help")
    assert corolla("help") == corolla("--help")
    unknown = subprocess.run([COROLLA, "help", "upp"], capture_output=True, text=True)
    assert unknown.returncode == 2 and "there is no command 'corolla upp'" in unknown.stderr
