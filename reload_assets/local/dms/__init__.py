"""A stand-in for AWS DMS: it speaks the real protocol over HTTP, executes mappings as DMS does, and really moves rows.

``oracle`` endpoints are PostgreSQL databases with quoted UPPERCASE names, whose columns carry their Oracle type in a
comment (``COMMENT ON COLUMN "SALES"."ORDERS"."AMOUNT" IS 'NUMBER(10,2)'``).
"""

from reload_assets.local.dms.server import DmsStandIn

__all__ = ["DmsStandIn"]
