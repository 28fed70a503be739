"""Bodies that are neither JSON nor a form: schemathesis asks how to write them."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/protobuf")
def as_text(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
