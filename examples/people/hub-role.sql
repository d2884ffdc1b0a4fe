-- Runs once, when the database of docker-compose.yml is made: SNK owns the table that it keeps, and is no superuser.
\getenv password POSTGRES_PASSWORD

create role snk login password :'password';
alter table people owner to snk;
grant create on database app to snk;
