/** On which a writer rings for a reader that sleeps. */
export const doorbellChannel = 'snk_doorbell';
