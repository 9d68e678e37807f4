"""Holds every response to the output shape of botocore's model of the service.

The models are AWS's own. A response violates its shape with an element or member that the shape
does not have, without a member that it requires, with a value outside an enum, of a wrong type,
or with a timestamp that does not parse. An error violates it with a code that neither the
operation nor the service's page of common errors has.
"""

import base64
import binascii
import json
import re
from xml.etree import ElementTree

from botocore.utils import parse_timestamp

# Codes that any operation may give and that no model lists.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
# https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException",
    "IncompleteSignature", "InternalFailure", "InvalidAction", "InvalidClientTokenId",
    "InvalidParameterCombination", "InvalidParameterValue", "InvalidParameterValueException",
    "MissingParameter", "MissingRequiredParameterException", "NotAuthorized", "NotImplemented",
    "SerializationException", "ServiceUnavailable", "ThrottlingException",
    "UnrecognizedClientException", "ValidationError", "ValidationException",
}
# Response headers of S3 that belong to no output shape.
# https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html
COMMON_HEADERS = {"x-amz-request-id", "x-amz-id-2", "x-amzn-requestid", "x-amzn-query-error",
                  "x-amzn-errortype", "x-amz-bucket-region", "x-amz-delete-marker",
                  "x-amz-version-id"}
# What the envelopes of the XML protocols hold beside the members.
ENVELOPE = {"requestId", "ResponseMetadata"}


class Oracle:
    """Collects violations; attach it to a client before the first call."""

    def __init__(self):
        self.violations = set()
        self.operations = set()

    def attach(self, client):
        client.meta.events.register("before-parse", self._before_parse)

    def _before_parse(self, operation_model, response_dict, **_):
        service = operation_model.service_model
        self.name = f"{service.service_name}:{operation_model.name}"
        self.operations.add(self.name)
        report = Report(self.name, self.violations)
        protocol = service.metadata["protocol"]
        if response_dict["status_code"] >= 300:
            error(report, protocol, operation_model, response_dict)
        elif protocol == "json":
            json_body(report, operation_model, response_dict["body"])
        elif protocol in ("query", "ec2"):
            query_body(report, protocol, operation_model, response_dict["body"])
        else:
            rest_response(report, operation_model, response_dict)


class Report:
    """Adds violations of one operation, each with the path to its place."""

    def __init__(self, operation, violations):
        self.operation = operation
        self.violations = violations

    def __call__(self, path, what):
        self.violations.add(f"{self.operation} {path or '(top)'}: {what}")


def error(report, protocol, operation, response):
    status = response["status_code"]
    if status == 304 or operation.http.get("method") == "HEAD":
        return
    body = response["body"]
    if protocol == "json":
        code = json.loads(body).get("__type", "").rsplit("#", 1)[-1]
        known = {shape.name for shape in operation.error_shapes}
        if not code:
            report("error", "no __type")
        if "message" not in {name.lower() for name in json.loads(body)}:
            report("error", "no message")
    else:
        root = ElementTree.fromstring(body)
        path = {"ec2": "Errors/Error/Code", "query": "{*}Error/{*}Code"}.get(protocol, "Code")
        code = root.findtext(path)
        if not code:
            report("error", f"no {path}")
        known = {shape.metadata.get("error", {}).get("code", shape.name)
                 for shape in operation.error_shapes}
        # The models of EC2 and S3 list (almost) no errors; their pages of codes do.
        if protocol in ("ec2", "rest-xml"):
            return
    if code not in known | COMMON_ERRORS:
        report("error", f"the model has no error {code}")


def json_body(report, operation, body):
    value = json.loads(body) if body else {}
    shape = operation.output_shape
    if shape is None:
        if value:
            report("", f"no output is modelled, not {value!r}")
    else:
        json_value(report, "", shape, value)


def json_value(report, path, shape, value):
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            return report(path, f"not an object: {value!r}")
        names = {member.serialization.get("name", name): (name, member)
                 for name, member in shape.members.items()}
        for name in value.keys() - names.keys():
            report(f"{path}.{name}", "unknown member")
        missing(report, path, shape, {names[name][0] for name in value.keys() & names.keys()})
        for name in value.keys() & names.keys():
            json_value(report, f"{path}.{name}", names[name][1], value[name])
    elif shape.type_name == "list":
        for item in value:
            json_value(report, f"{path}[]", shape.member, item)
    elif shape.type_name == "map":
        for key, item in value.items():
            scalar(report, f"{path}{{key}}", shape.key, key)
            json_value(report, f"{path}.{key}", shape.value, item)
    else:
        scalar(report, path, shape, value)


def query_body(report, protocol, operation, body):
    root = ElementTree.fromstring(body)
    if local(root) != f"{operation.name}Response":
        report("", f"root element {local(root)}")
    shape = operation.output_shape
    if protocol == "query" and shape is not None:
        wrapper = shape.serialization.get("resultWrapper")
        for child in root:
            if local(child) not in (wrapper, *ENVELOPE):
                report(local(child), "unknown element")
        root = next((child for child in root if local(child) == wrapper), None)
        if root is None:
            return report("", f"no {wrapper}")
    if shape is not None:
        xml_structure(report, "", shape, root, protocol, ENVELOPE)


def rest_response(report, operation, response):
    shape = operation.output_shape
    members = shape.members if shape is not None else {}
    headers = response["headers"]
    known = set()
    prefixes = []
    for name, member in members.items():
        where, named = member.serialization.get("location"), member.serialization.get("name")
        if where == "header":
            known.add(named.lower())
            if named in headers:
                scalar(report, name, member, headers[named], "rfc822")
        elif where == "headers":
            prefixes.append(named.lower())
    for name in headers:
        name = name.lower()
        if name.startswith("x-amz") and name not in known | COMMON_HEADERS and \
                not any(name.startswith(prefix) for prefix in prefixes):
            report(name, "unknown header")
    body = response["body"]
    if operation.has_streaming_output or operation.name == "GetBucketLocation":
        return
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload:
        shape = members[payload]
        if shape.type_name in ("blob", "string"):
            return
    inside = {} if shape is None else {
        name for name, member in shape.members.items() if "location" not in member.serialization}
    if not body.strip():
        if payload or inside and shape.required_members:
            report("", "no body")
        return
    if not inside:
        return report("", f"a body where none is modelled: {body[:60]!r}")
    xml_structure(report, "", shape, ElementTree.fromstring(body), "rest-xml", set())


def xml_structure(report, path, shape, element, protocol, envelope):
    names = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        names[xml_name(name, member)] = (name, member)
    seen = {}
    for child in element:
        seen.setdefault(local(child), []).append(child)
    # An attribute such as xsi:type counts as a member.
    attributes = {name for name in (local_name(key) for key in element.attrib)}
    for name in seen.keys() - names.keys() - envelope:
        report(f"{path}.{name}", "unknown element")
    present = {names[name][0] for name in seen.keys() & names.keys()}
    missing(report, path, shape, present | attributes)
    for name in seen.keys() & names.keys():
        member = names[name][1]
        where = f"{path}.{name}"
        flattened = member.serialization.get("flattened") and member.type_name == "list"
        if flattened:
            for child in seen[name]:
                xml_value(report, where + "[]", member.member, child, protocol)
        elif len(seen[name]) > 1:
            report(where, f"{len(seen[name])} times")
        else:
            xml_value(report, where, member, seen[name][0], protocol)


def xml_name(name, member):
    if member.type_name == "list" and member.serialization.get("flattened"):
        return member.serialization.get("name", member.member.serialization.get("name", name))
    return member.serialization.get("name", name)


def xml_value(report, path, shape, element, protocol):
    if shape.type_name == "structure":
        xml_structure(report, path, shape, element, protocol, set())
    elif shape.type_name == "list":
        item_name = shape.member.serialization.get("name", "member")
        for child in element:
            if local(child) != item_name:
                report(f"{path}.{local(child)}", f"unknown element, items are {item_name}")
            xml_value(report, f"{path}[]", shape.member, child, protocol)
    elif shape.type_name == "map":
        report(path, "maps are not written in XML here")
    else:
        if len(element):
            report(path, "elements where text is modelled")
        scalar(report, path, shape, element.text or "")


def missing(report, path, shape, present):
    for name in set(shape.required_members) - present:
        if "location" not in shape.members[name].serialization:
            report(f"{path}.{name}", "a required member is missing")


def scalar(report, path, shape, value, dates="iso8601"):
    kind = shape.type_name
    if kind == "string":
        if not isinstance(value, str):
            report(path, f"not a string: {value!r}")
        elif shape.enum and value not in shape.enum:
            report(path, f"{value!r} is not in the enum {shape.name}")
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
            report(path, f"not an integer: {value!r}")
    elif kind in ("float", "double"):
        try:
            float(value)
        except (TypeError, ValueError):
            report(path, f"not a number: {value!r}")
    elif kind == "boolean":
        if value not in (True, False, "true", "false"):
            report(path, f"not a boolean: {value!r}")
    elif kind == "timestamp":
        try:
            parse_timestamp(value)
        except (TypeError, ValueError):
            report(path, f"not a timestamp: {value!r}")
        wanted = shape.serialization.get("timestampFormat", dates)
        if isinstance(value, str) and wanted == "iso8601" and "T" not in value:
            report(path, f"not an ISO 8601 timestamp: {value!r}")
        if isinstance(value, str) and wanted == "rfc822" and not value.endswith("GMT"):
            report(path, f"not an HTTP date: {value!r}")
    elif kind == "blob":
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError):
            report(path, f"not Base64: {value!r}")


def local(element):
    return local_name(element.tag)


def local_name(tag):
    return tag.rsplit("}", 1)[-1]
