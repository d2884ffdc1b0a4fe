-- Runs once, when a database of docker-compose.yml is made. Neither role is a superuser.
\getenv password POSTGRES_PASSWORD

-- The application: it owns its table and knows nothing of SNK. TST logs in as it.
create role app login password :'password';
create table public.record (uuid uuid primary key, text text not null);
alter table public.record owner to app;

-- SNK: only the owner of a table may give it triggers that always fire.
create role snk login password :'password' in role app;
grant create on database app to snk;
