// This pack's words in the language of the page, from `locales/`.
//
// The frontend translates what it shows of nodes itself: names, labels, tooltips. Entries of
// dropdowns and sentences of scripts it leaves to us.

import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";

let languages = {};

/** To be awaited before nodes are made. */
export async function loadLanguages() {
  const answer = await api.fetchApi("/i18n");
  if (answer.ok) languages = await answer.json();
}

const language = () => languages[app.extensionManager.setting.get("Comfy.Locale")] ?? {};

/** What a node's input and the entries of its dropdown are called; nothing in English. */
export function inputOf(kind, name) {
  return language().nodeDefs?.[kind]?.inputs?.[name];
}

/** A sentence in the page's language; `{name}` in it becomes that value. */
export function say(sentence, values) {
  const said = language().sd2_depth2img?.[sentence] ?? sentence;
  return said.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
