"""A method's code is told from its earlier states by what it does, not by how it is written."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import methods
from benchmarks.evaluation import method_code as subject
from benchmarks.evaluation.method_code import method_code
from benchmarks.results import Cell, Store, result_sets
from benchmarks.run import __main__ as run
from methods import registry
from methods.base import Parameters
from tests.helpers import runs
from tests.helpers.data_sets import write_dataset
from tests.helpers.paths import ROOT

METHOD = '''
"""A method."""
from __future__ import annotations
from dataclasses import dataclass
from methods.base import Scores
{imports}

@dataclass(frozen=True)
class Parameters:
    """Its parameters."""
    levels: tuple[int, ...] = (2,)

    def create(self) -> Mine:
        return Mine()  # made afresh


VARIANTS = {{"mine": Parameters()}}


class Mine:
    def fit(self, features, generator):
        self.mean = features.read(2).mean(dim=(0, 2, 3))
        return self

    def score(self, features):
        return Scores({sign}(features.read(2) - self.mean[:, None, None]).norm(dim=1))
'''
SOURCE = METHOD.format(imports="", sign="")


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from, and forgotten with."""
    folder, before = tmp_path / "site", set(sys.modules)
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    # two states within a second look the same to the importer
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    forget(set(sys.modules) - before)


def forget(names: set[str]) -> None:
    """Go on as a new process would."""
    for name in names & {name for name in sys.modules if name.startswith(("mine", "tools"))}:
        del sys.modules[name]
    for function in (subject._hash, subject._read, registry._survey):
        function.cache_clear()
    importlib.invalidate_caches()


def code(name: str = "mine") -> str:
    forget(set(sys.modules))
    parameters: Parameters = importlib.import_module(name).VARIANTS["mine"]
    return method_code(parameters)


def write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def test_comments_docstrings_and_layout_are_not_code(site: Path) -> None:
    write(site / "mine.py", SOURCE)
    before = code()
    assert len(before) == 16
    text = SOURCE.replace('"""A method."""', '"""Another."""').replace("# made afresh", "")
    text = text.replace('    """Its parameters."""\n', "").replace("self.mean = ", "self.mean = (")
    text = text.replace("dim=(0, 2, 3))", "dim=(\n 0, 2, 3)))")
    assert len(text.splitlines()) == len(SOURCE.splitlines())
    write(site / "mine.py", text)
    assert code() == before
    write(site / "mine.py", METHOD.format(imports="", sign="-"))
    assert code() != before


@pytest.mark.parametrize(
    ("module", "imports"),
    [
        ("tools", "from tools import scale"),
        ("tools", "import tools"),
        ("mine_package.tools", "from mine_package.tools import scale"),
        ("mine_package.tools", "from mine_package import tools"),
        ("mine_package.tools", "import mine_package.tools as helpers"),
        ("mine_package.tools", "from .tools import scale"),
        ("mine_package.tools", "from . import tools"),
        ("mine_package.tools", "def later():\n    from .tools import scale\n"),
        ("mine_package.deep.tools", "from .deep.tools import scale"),
        ("mine_package", "from . import scale"),
        ("mine_package", "from mine_package import scale"),
    ],
)
def test_what_a_method_imports_of_its_own_package_is_its_code(
    site: Path, module: str, imports: str
) -> None:
    name = "mine_package.mine" if "package" in module else "mine"
    helper = site / module.replace(".", "/")
    helper = helper / "__init__.py" if module == "mine_package" else helper.with_suffix(".py")
    if "package" in module:
        write(site / "mine_package/__init__.py", "")
    write(site / f"{name.replace('.', '/')}.py", METHOD.format(imports=imports, sign=""))
    write(site / "mine_package/other.py", "unused = 1")
    write(helper, "scale = 1  # once")
    before = code(name)
    write(helper, "scale = 1")
    write(site / "mine_package/other.py", "unused = 2")
    assert code(name) == before
    write(helper, "scale = 2")
    assert code(name) != before


def test_imports_are_followed_from_file_to_file_and_in_circles(site: Path) -> None:
    write(site / "mine_package/mine.py", METHOD.format(imports="from . import first", sign=""))
    write(site / "mine_package/first.py", "def late():\n    from mine_package import second")
    write(site / "mine_package/second.py", "def later():\n    from . import mine\n    return 1")
    before = code("mine_package.mine")
    write(site / "mine_package/second.py", "def later():\n    from . import mine\n    return 2")
    assert code("mine_package.mine") != before


def test_a_file_that_no_parser_takes_is_told_by_its_bytes(site: Path) -> None:
    write(site / "mine.py", METHOD.format(imports="def late():\n    import tools", sign=""))
    write(site / "tools.py", "def half(")
    before = code()
    write(site / "tools.py", f"deep = {'-' * 5000}1")
    assert len({before, code(), code()}) == 2


def test_what_has_no_file_has_no_code() -> None:
    namespace: dict[str, object] = {"__name__": "mine_notebook"}
    exec("class Parameters: pass", namespace)
    assert method_code(namespace["Parameters"]()) == ""  # type: ignore[operator]


def test_installed_modules_are_their_one_file(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "INSTALLED", ("site",))
    write(site / "mine.py", METHOD.format(imports="import tools", sign=""))
    write(site / "tools.py", "scale = 1")
    before = code()
    write(site / "tools.py", "scale = 2")
    assert code() == before


def test_the_projects_methods_are_compared_within_a_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = {name: method_code(methods.resolve(name).parameters) for name in methods.names()}
    assert codes["patchcore-1"] == codes["patchcore-25"]
    modules = {name: type(methods.resolve(name).parameters).__module__ for name in codes}
    assert len(set(codes.values())) == len(set(modules.values())) > 3
    reached = set(subject._read.__wrapped__(ROOT / "methods/spade.py", "methods")[1])
    assert {"methods.base", "methods.components.precision"} <= reached
    for revision, kept in (("one", True), ("one-dirty", True), ("two", False), ("", False)):
        monkeypatch.setattr(subject, "git_sha", lambda revision=revision: revision)
        subject._release.cache_clear()
        release = method_code(methods.resolve("padim").parameters).partition("@")[2]
        assert (release == "one") is kept
        assert release
    subject._release.cache_clear()


@pytest.mark.parametrize(
    ("stored", "now", "other"),
    [
        ("a", "b", True),
        ("a", "a", False),
        ("", "b", False),
        ("a", "", False),
        ("a@one", "b@one", True),
        ("a@one", "b@two", False),
        ("a@one", "b", False),
    ],
)
def test_code_is_other_code_where_both_are_known(stored: str, now: str, other: bool) -> None:
    cell = Cell(runs.Cell("cup", "mine").spec, "ok", code=stored)
    assert cell.is_of_other_code(now) is other


def test_names_and_codes_need_no_torch() -> None:
    program = (
        "import sys, methods; from benchmarks.evaluation.method_code import method_code; "
        "assert all(method_code(methods.resolve(n).parameters) for n in methods.names()); "
        "sys.exit('torch._C' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.usefixtures("folder", "no_figures")
def test_a_run_says_whose_code_changed_and_the_tables_where_two_states_stand(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluate(categories: str, *arguments: str) -> str:
        forget(set(sys.modules))
        common = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out"]
        methods_ = ["out", "--methods", "mine,padim", "--categories", categories]
        assert run.main([*common, *methods_, *arguments]) == 0
        return capsys.readouterr().err

    write(site / "mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    points = f"[{registry.ENTRY_POINTS}]\nmine = mine:VARIANTS\n"
    write(site / "mine-1.0.dist-info/entry_points.txt", points)
    write(site / "mine.py", METHOD.format(imports="", sign="-"))
    write_dataset(Path("data"), "cup", "plate")
    assert "changed" not in evaluate("cup,plate")
    write(site / "mine.py", SOURCE + "\n# mended\n")
    said = "warning: mine's code has changed since: --force evaluates again (2 stored cells)\n"
    assert "changed" in evaluate("cup,plate")
    assert evaluate("cup,plate").count(said) == 1
    assert "changed" in evaluate("cup", "--dry-run")
    assert "NOT COMPARABLE" not in result_sets(Path("out"))[0].caption("Results")
    assert "changed" not in evaluate("plate", "--force")
    caption = result_sets(Path("out"))[0].caption("Results")
    assert "NOT COMPARABLE, mine's code has changed since cup;" in caption
    assert "padim's" not in caption
    assert "NOT COMPARABLE" in Path("out/tables/image_auroc.md").read_text()
    assert "changed" not in evaluate("cup", "--force")
    assert "NOT COMPARABLE" not in result_sets(Path("out"))[0].caption("Results")


def test_cells_from_before_codes_were_noted_are_read(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), runs.Cell("cup", "mine").spec
    store.write(Cell(spec, "ok", code="a"))
    (path,) = tmp_path.glob("cells/*/*.json")
    stored = json.loads(path.read_text())
    assert stored.pop("code") == "a"
    path.write_text(json.dumps(stored))
    assert store.find(spec) == Cell(spec, "ok")
