"""The structure of the package: rooms, imports between them, sizes of files and functions."""

import ast
from itertools import pairwise
from pathlib import Path

import sklearn_ecganon

PACKAGE = Path(sklearn_ecganon.__file__).parent
#: The rooms from the top down. A room imports from rooms below it only; rooms of one line
#: know nothing of each other.
ROOMS = [
    ["__main__"],
    ["cli"],
    ["_cli_anonymize", "_cli_audit", "_cli_fit", "_cli_leaderboard"],
    ["_cli_options", "_demo", "_display"],
    ["leaderboard", "report"],
    ["plot"],
    ["_anonymize", "archive", "model_selection", "images"],
    ["evaluation"],
    ["attacks", "utility"],
    ["releases"],
    ["testing"],
    ["anonymizers"],
    ["core"],
    ["regions"],
    ["contracts"],
    ["imaging"],
    ["delineation"],
    ["segmentation"],
    ["training"],
    ["networks"],
    ["_validation"],
    ["datasets"],
    ["io"],
    ["metrics", "privacy"],
    ["records"],
    ["leads"],
    ["_data_home", "_salt", "exceptions"],
]
HEIGHT = {room: -height for height, row in enumerate(ROOMS) for room in row}
MAX_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_PRIVATE_IMPORTS = 29


def modules():
    """Yield each file with its room and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        room = relative.parts[0].removesuffix(".py")
        if room != "__init__":
            yield relative, room, ast.parse(path.read_text())


def imports(tree, relative):
    """Yield each module of the package that a file imports, for the type checker included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "sklearn_ecganon" and len(parts) > 1:
                yield parts[1:]


def test_every_room_has_its_place():
    assert {room for _, room, _ in modules()} <= set(HEIGHT)


def test_imports_go_down():
    upward = []
    for relative, room, tree in modules():
        for target, *inner in imports(tree, relative):
            if target in HEIGHT and target != room and HEIGHT[target] >= HEIGHT[room]:
                upward.append(f"{relative} imports {'.'.join([target, *inner])}")
    assert not upward, "\n".join(upward)


def test_files_of_a_room_do_not_import_in_a_circle():
    names = {
        tuple(relative.with_suffix("").parts): relative
        for relative, _, _ in modules()
        if relative.name != "__init__.py"
    }
    graph = {
        module: {
            known
            for target in imports(tree, relative)
            if (
                known := next(
                    (
                        tuple(target[:n])
                        for n in range(len(target), 0, -1)
                        if tuple(target[:n]) in names
                    ),
                    None,
                )
            )
            and known != module
        }
        for relative, _, tree in modules()
        if (module := tuple(relative.with_suffix("").parts)) in names
    }
    done, path = set(), []

    def visit(module):
        if module in path:
            circle = [*path[path.index(module) :], module]
            raise AssertionError(" -> ".join("/".join(one) for one in circle))
        if module not in done:
            path.append(module)
            for target in sorted(graph[module]):
                visit(target)
            done.add(path.pop())

    for module in sorted(graph):
        visit(module)


def test_rooms_are_entered_by_their_doors():
    private = [
        f"{relative} imports {'.'.join([target, *inner])}"
        for relative, room, tree in modules()
        for target, *inner in imports(tree, relative)
        if target != room and any(name.startswith("_") for name in inner[:-1])
    ]
    assert len(private) <= MAX_PRIVATE_IMPORTS, "\n".join(private)


def test_files_and_functions_are_short():
    long = []
    for relative, _, tree in modules():
        n_lines = len((PACKAGE / relative).read_text().splitlines())
        if n_lines > MAX_LINES:
            long.append(f"{relative}: {n_lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n_code = lines_of_code(node)
                if n_code > MAX_FUNCTION_LINES:
                    long.append(f"{relative}: {node.name} has {n_code} lines of code")
    assert not long, "\n".join(long)


def lines_of_code(function):
    """Return how many lines a function has without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_rooms_are_listed_once():
    rooms = sorted(HEIGHT)
    assert len(rooms) == sum(map(len, ROOMS))
    assert all(a != b for a, b in pairwise(rooms))
