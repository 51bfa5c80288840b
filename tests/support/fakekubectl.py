"""A kubectl that answers from files: what the plugin asks is seen, what it is told is chosen."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

Object = dict[str, Any]
_SCRIPT = """\
#!{python} -IS
import json, pathlib, sys
home = pathlib.Path({home!r})
args = sys.argv[1:]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps(args) + "\\n")
if "config" in args:
    print("line-4", end="")
    sys.exit()
path = args[args.index("--raw") + 1]
plain = path.partition("?")[0].replace("/", "%2F")
verb = "watch" if "watch=true" in path else "create" if "create" in args else "get"
if verb == "create":
    (home / "created").write_text(sys.stdin.read())
answer = home / (verb + plain)
if not answer.exists():
    sys.exit("Error from server (NotFound): the server could not find the requested resource")
text = answer.read_text()
if text.startswith(("Error", "error")):
    sys.exit(text)
print(text)
"""


class FakeKubectl:
    """A program in a folder; `env` makes the command use it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.program = home / "kubectl"
        self.program.write_text(_SCRIPT.format(python=sys.executable, home=str(home)))
        self.program.chmod(0o755)

    def get(self, path: str, answer: Object | str) -> None:
        """What a read of `path` answers; a text is what kubectl says on standard error."""
        self._put("get", path, answer)

    def create(self, path: str, answer: Object | str) -> None:
        """What a create in the collection `path` answers."""
        self._put("create", path, answer)

    def watch(self, path: str, *objects: Object) -> None:
        """What a watch of `path` sees, one event an object."""
        lines = [json.dumps({"type": "MODIFIED", "object": one}) for one in objects]
        self._file("watch", path).write_text("\n".join(lines))

    def break_watch(self, path: str, error: str) -> None:
        """A watch of `path` ends with this on standard error."""
        self._file("watch", path).write_text(error)

    @property
    def created(self) -> Object:
        """The object that was created last."""
        value: Object = json.loads((self._home / "created").read_text())
        return value

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call, oldest first."""
        return [json.loads(line) for line in (self._home / "calls").read_text().splitlines()]

    def _put(self, verb: str, path: str, answer: Object | str) -> None:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self._file(verb, path).write_text(text)

    def _file(self, verb: str, path: str) -> Path:
        return self._home / (verb + quote(path, safe=""))
