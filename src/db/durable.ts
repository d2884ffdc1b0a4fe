/**
 * Makes the transaction's commit wait for the disk, whatever the database's default; stronger levels (remote_apply, …)
 * stay. Local to the transaction: a function's own SET would be undone before the commit.
 */
export const durableCommit = `set_config(
    'synchronous_commit',
    case when current_setting('synchronous_commit') in ('off', 'local') then 'on' else current_setting('synchronous_commit') end,
    true
  )`;
