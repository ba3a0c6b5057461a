-- Messages of which nobody knows whether they left, by tenant and since when (due_at): what the tenant's policy looks through.
create index outbox_unknown on work.outbox (tenant_id, due_at) where state = 'unknown';
