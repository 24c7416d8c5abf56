// Sends what somebody does about an episode; the token stays in this tab and goes nowhere else.
"use strict";

const login = document.getElementById("token");

function kept(name) {
  return sessionStorage.getItem(`msl-${name}`) || "";
}

if (login) {
  login.elements.actor.value = kept("actor");
  login.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("msl-token", login.elements.token.value);
    sessionStorage.setItem("msl-actor", login.elements.actor.value);
    login.elements.token.value = "";
    login.querySelector("output").textContent = "Kept until this tab is closed.";
  });
}

async function act(form, action) {
  const said = form.querySelector("output");
  if (!kept("token")) {
    said.textContent = "Enter the write token above first.";
    login.elements.token.focus();
    return;
  }
  const words = form.elements.words.value.trim();
  const body = { action, actor: kept("actor") };
  if (action === "assign") body.assignee = words;
  else if (words) body.note = words;
  said.textContent = "Sending …";
  try {
    const answer = await fetch(form.dataset.act, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${kept("token")}` },
      body: JSON.stringify(body),
    });
    if (answer.ok) location.reload();
    else said.textContent = `Not done: ${(await answer.json()).error.message}`;
  } catch {
    said.textContent = "Not done: the server can't be reached; your words are still here.";
  }
}

for (const form of document.querySelectorAll("form.act")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(form, event.submitter ? event.submitter.value : "note");
  });
}
