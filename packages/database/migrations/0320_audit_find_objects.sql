-- What happened to one object: a token is explained by the evidence of its minting, which is looked for by its id.
-- Ids are made in the order of time, so that new rows enter at the index's end.
create index audit_events_by_object on mono.audit_events (tenant_id, object_kind, object_id);
