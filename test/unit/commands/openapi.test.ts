/** The OpenAPI document says what each answer to a command is. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { ordering } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'

// oxlint-disable-next-line no-explicit-any -- the document is looked at as a reader of JSON does
type Json = any

describe('the OpenAPI document of a service that decides', () => {
  it('describes its commands, and each answer to them', async () => {
    await using services = await asked()
    const { url, origin } = await services.start(ordering('skip'))
    const document: Json = await (await fetch(`${origin}/openapi.json`)).json()
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    assert.ok(valid, JSON.stringify(errors))
    const { post } = document.paths['/v1/ordering/order-commands']
    const isValid = (content: Json, value: Json): boolean => {
      const ajv = new Ajv2020({ strict: false, validateFormats: false })
      const { components } = document
      return ajv.compile({ ...content['application/json'].schema, components })(value)
    }
    for (const [body, status] of [
      [{ orderId: 'o', place: { total: 7 } }, 200],
      [{ orderId: 'o', place: { total: 7 } }, 422],
      [{ orderId: 'p', place: { total: 5_000 } }, 422],
      [{ orderId: 'o', change: { by: 13 } }, 500],
      [{}, 400],
    ] as const) {
      const answer = await fetch(`${url}/order-commands`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const told: Json = await answer.json()
      assert.equal(answer.status, status, JSON.stringify(told))
      assert.ok(isValid(post.responses[status].content, told), JSON.stringify(told))
      assert.ok(
        !isValid(post.responses[status].content, { ...told, reason: 'other', error: 1, id: 1 }),
      )
      assert.ok(isValid(post.requestBody.content, { orderId: '', ...body }))
    }
  })
})
