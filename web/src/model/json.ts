import { parse, stringify } from "lossless-json";

/** What JSON can hold; documents are made of it and are never changed in place. Whole numbers beyond 2^53 are bigint. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

export function asText(value: unknown, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}

export function asNumber(value: unknown, otherwise = 0): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

/** The largest of the numbers and 0, those that are none left out. */
export function largest(numbers: readonly number[]): number {
  return numbers.reduce((top, one) => (Number.isFinite(one) && one > top ? one : top), 0);
}

/** The object without the named keys, in the order it had. */
export function without(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || writeJson(a) === writeJson(b);
}

const LONG_INTEGER = /(?<![\d.])\d{16,}(?![\d.eE])/;

/** As JSON.parse, but whole numbers beyond 2^53 (seeds go up to 2^64 - 1) keep every digit, as bigint. */
export function readJson(text: string): unknown {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  return parse(text, null, { parseNumber: readNumber, onDuplicateKey: ({ newValue }) => newValue });
}

function readNumber(text: string): number | bigint {
  const value = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}

/** As JSON.stringify, with every digit of bigints. */
export function writeJson(value: unknown, indent?: number): string {
  return hasBigint(value) ? (stringify(value, null, indent) ?? "null") : JSON.stringify(value, null, indent);
}

function hasBigint(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value === "bigint";
  return Object.values(value).some(hasBigint);
}
