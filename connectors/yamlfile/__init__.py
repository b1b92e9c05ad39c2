"""This is where YAML is read strictly, with a place for every fault: `read` a file, `check` it against a model."""

from connectors.yamlfile.document import Document, Loc, read
from connectors.yamlfile.faults import check, did_you_mean, translate
from connectors.yamlfile.problems import Mark, Problem, YamlError

__all__ = ["Document", "Loc", "Mark", "Problem", "YamlError", "check", "did_you_mean", "read", "translate"]
