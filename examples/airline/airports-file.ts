/**
 * Reads `airports.csv`: one airport a line, RFC 4180 quoting (`"W. H. ""Bud"" Barron"`), a header first.
 * The file is small (210 kB), so it is read whole.
 */
import { readFile } from 'node:fs/promises'
import { HeadwaterError } from '../../src/index.ts'
import { sourceFile } from './source-files.ts'

export interface AirportRow {
  readonly code: string
  readonly name: string
  readonly city: string
  readonly state: string
  readonly country: string
  readonly latitude: number
  readonly longitude: number
}

const header = 'iata,name,city,state,country,latitude,longitude'

/** All airports in the order of the file; `input-invalid` names the line that is not one. */
export async function readAirports(path = sourceFile('airports.csv')): Promise<AirportRow[]> {
  const [first, ...lines] = parseCsv(await readFile(path, 'utf8'))
  if (first?.join(',') !== header) {
    throw new HeadwaterError('input-invalid', `${path} does not begin with the header ${header}`)
  }
  return lines.map((fields, index) => {
    const [code, name, city, state, country, latitude, longitude] = fields
    if (fields.length !== 7 || code === '') {
      throw new HeadwaterError('input-invalid', `${path}, record ${index + 2}: not seven fields`)
    }
    return {
      code: code!,
      name: name!,
      city: city!,
      state: state!,
      country: country!,
      latitude: Number(latitude),
      longitude: Number(longitude),
    }
  })
}

/** The records of a CSV text: a field is quoted as a whole or not at all, and a quote in it is doubled. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = []
  let record: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy
  while (field.lastIndex < text.length) {
    const at = field.lastIndex
    const match = field.exec(text)
    if (match === null) {
      throw new HeadwaterError('input-invalid', `the CSV text has a stray quote at character ${at}`)
    }
    const [, quoted, plain, end] = match
    record.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    if (end === ',') continue
    records.push(record)
    record = []
  }
  return records
}
