"""HTTP to servers that may be slow, lie or never end: every exchange has a deadline and a size.

The deadline holds for the whole exchange, connecting, sending, headers and body together, because
it is kept where the bytes are read (httpcore's network backend). Redirects are followed a few
times, never from https to http, and carry no credentials to another origin.
"""

from pipeline.http.answer import Answer
from pipeline.http.deadline import MAX_SILENCE_S, Deadline
from pipeline.http.exchanges import MAX_REDIRECTS, Connections, exchange
from pipeline.http.urls import check_url, is_loopback, shown

__all__ = [
    "MAX_REDIRECTS",
    "MAX_SILENCE_S",
    "Answer",
    "Connections",
    "Deadline",
    "check_url",
    "exchange",
    "is_loopback",
    "shown",
]
