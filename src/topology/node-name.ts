/** What a node may be called; a key's name is the name of its node (pure). */

export const nodeNamePattern = /^[a-z][a-z0-9_-]{0,39}$/i;
export const nodeNameWanted = 'wanted a name of letters, digits, - and _, at most 40 long';
