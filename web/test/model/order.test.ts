import { expect, test } from "vitest";
import { askedAnew, inTurn, newest } from "../../src/model/order";

interface Question {
  readonly answer: (value: string) => void;
  readonly fail: (error: Error) => void;
}

/** Questions that the test answers when it likes. */
function questions() {
  const asked: Question[] = [];
  const ask = () =>
    new Promise<string>((answer, fail) => {
      asked.push({ answer, fail });
    });
  return { asked, ask };
}

const settled = () => new Promise((done) => setTimeout(done));

test("an answer that comes after the answer to a later question is out of date", async () => {
  const { asked, ask } = questions();
  const taken: string[] = [];
  const read = newest(
    ask,
    (value) => taken.push(value),
    () => taken.push("failed"),
  );
  const [first, second, third] = [read(), read(), read()];
  asked[1]?.answer("second");
  await second;
  asked[0]?.answer("first");
  await first;
  expect(taken).toEqual(["second"]);
  asked[2]?.answer("third");
  await third;
  expect(taken).toEqual(["second", "third"]);
});

test("what fails is said, and what was asked before it counts still", async () => {
  const { asked, ask } = questions();
  const taken: string[] = [];
  const read = newest(
    ask,
    (value) => taken.push(value),
    (error) => taken.push((error as Error).message),
  );
  const [first, second] = [read(), read()];
  asked[1]?.fail(new Error("away"));
  await second;
  asked[0]?.answer("first");
  await first;
  expect(taken).toEqual(["away", "first"]);
});

test("tasks begin one after the other, also after one that fails", async () => {
  const { asked, ask } = questions();
  const next = inTurn();
  const first = next(ask);
  const second = next(ask);
  await settled();
  expect(asked).toHaveLength(1);
  asked[0]?.fail(new Error("no"));
  await expect(first).rejects.toThrow("no");
  await settled();
  expect(asked).toHaveLength(2);
  asked[1]?.answer("yes");
  expect(await second).toBe("yes");
});

test("who asks while a question is on its way gets the answer to a later one", async () => {
  const { asked, ask } = questions();
  const read = askedAnew(ask);
  const first = read();
  const [second, third] = [read(), read()];
  expect(asked).toHaveLength(1);
  asked[0]?.answer("old");
  expect(await first).toBe("old");
  await settled();
  expect(asked).toHaveLength(2);
  asked[1]?.answer("new");
  expect([await second, await third]).toEqual(["new", "new"]);
  const fourth = read();
  expect(asked).toHaveLength(3);
  asked[2]?.fail(new Error("away"));
  await expect(fourth).rejects.toThrow("away");
});
