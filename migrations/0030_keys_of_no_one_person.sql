-- Keys that are not one person's are named `kind:id` (channel, user, account, addresses of a month). They are few beside those of contacts, and
-- retention looks through them every day.
create index subject_keys_of_things on keyring.subject_keys (subject, tenant_id) where position(':' in subject) > 0 and wrapped_key is not null;
