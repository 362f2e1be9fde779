"""Parses config.pbtxt files with Triton's own schema, and prints them as a JSON list.

The schema is the one that PyPI's tritonclient carries (tritonclient.grpc.model_config_pb2). Its package
also wants gRPC, which the schema does not need, so that the one file is loaded by its path.
"""

import importlib.util
import json
import sys
from pathlib import Path

from google.protobuf import json_format, text_format


def model_config():
    package = Path(importlib.util.find_spec("tritonclient").submodule_search_locations[0])
    file = package / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ModelConfig


def main(paths):
    schema = model_config()
    configs = []
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        message = text_format.Parse(text, schema())
        configs.append(json_format.MessageToDict(message, preserving_proto_field_name=True))
    json.dump(configs, sys.stdout)


main(sys.argv[1:])
