/** Loaded into the process of a test file: ends it when its time is over and something keeps it alive. */
const ms = Number(process.env['TEST_FILE_MS'])

setTimeout(() => {
  console.error(
    `This file still runs after ${ms / 1000} s, and is ended: something it left is alive.`,
  )
  process.exit(1)
}, ms).unref()
