# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one error edge of actions: validate, act, and turn the library's errors into failed tasks."""

from __future__ import annotations

import abc
import datetime as dt
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..errors import HoldfastError, PolicyError
from . import given, tickets
from .options import Options


class HoldfastAction(ActionBase, abc.ABC):
    """An action that is a sentence: subclasses state their options and implement :meth:`act`.

    ``WORK`` is what an action does to the repository as a whole, which the task's change must permit before it acts;
    ``CHANGES`` says that it changes what it is made of.
    """

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {}
    CONSTRAINTS: t.ClassVar[Mapping[str, t.Any]] = {}
    WORK: t.ClassVar[str] = ""
    CHANGES: t.ClassVar[bool] = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    # whether people have seen the report already, with more in it
    _displayed = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Validate the options, act, and fail the task with one sentence where the library refuses."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        args = self._arguments()
        options = Options(
            args, lambda name: self._variable(variables, name), check=bool(self._task.check_mode), names=variables
        )
        try:
            given.require_known(self._loader)
            self._permit(options)
            result = self.act(options, variables)
        except HoldfastError as e:
            # a dead host stays "unreachable" to Ansible, whose own words of it were kept from a log
            if isinstance(e.__cause__, AnsibleConnectionFailure):
                raise AnsibleConnectionFailure(str(e)) from None
            said = given.as_variables(e, self.ARGUMENTS) if isinstance(e, PolicyError) else ""
            raise AnsibleActionFail(f"{e} {said}".strip(), result={**e.details, "remedy": e.remedy or ""}) from None
        if args.get("display") and not self._displayed:
            # what the next host's begins after
            self._display.display("\n".join([*result["report"], ""]))
        return result

    @abc.abstractmethod
    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Do what the action is for and return its result."""

    def _arguments(self) -> dict[str, t.Any]:
        try:
            _validated, args = self.validate_argument_spec(argument_spec=dict(self.ARGUMENTS), **self.CONSTRAINTS)
        except AnsibleActionFail as e:
            said = given.variables_in(str(e), self.ARGUMENTS)
            if not said:
                raise
            raise AnsibleActionFail(f"{e}. {said}", obj=self._task.args) from None
        return t.cast("dict[str, t.Any]", args)

    def _permit(self, options: Options) -> None:
        """Raise where the task's change does not permit the work."""
        if self.WORK:
            now = dt.datetime.now(dt.timezone.utc)
            for warning in tickets.permit_work(options, self.WORK, now, changes=self.CHANGES):
                self._display.warning(warning)

    def _variable(self, task_vars: Mapping[str, t.Any], name: str) -> t.Any:
        return self._templar.template(task_vars[name]) if name in task_vars else None
