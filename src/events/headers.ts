/** What headers of the platform begin with: they are about a record, and do not go on with what is made of it. */
export const platformPrefix = 'headwater-'
