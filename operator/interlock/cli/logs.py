"""Logs of the services: one JSON object a line, so that machines can read what people must."""

import json
import logging
import sys
from datetime import UTC, datetime

FIELDS = ("agent", "step")
"""What a message may say beside its text (`extra=`)."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; line breaks and control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {key: getattr(record, key) for key in FIELDS if hasattr(record, key)}
        line["logger"] = record.name
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def setup() -> None:
    """Log everything from INFO on to standard error, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
