"""Which calls of a program are sites, and how they are named."""

from __future__ import annotations

from twin.openstack.mutation.sites import sites, sites_in


def test_every_call_on_something_of_the_flow_is_a_site_and_so_is_a_returned_value(sample):
    names = [f"{site.flow}.{site.function}/{site.id.split('/')[1]}" for site in sites_in(sample)]
    assert names == [
        "NetworkAPI.allocate/self._reserve",
        "NetworkAPI.allocate/return",
        "Manager.build/self._note_start",
        "Manager.build/self.network_api.allocate",
        "Manager.build/self._spawn",
        "Manager.build/self._size",
        "Manager.build/self._note_start#2",
        "Manager.build/return",
        "Manager._size/return",
        "Manager._spawn/self._wait",
        "Manager.tell/self._note_start",
        "Manager.tell/return",
        "Manager.tell/self.__secret",
        "BetterManager.tell/self._note_start",
        "BetterManager.tell/return",
    ]


def test_a_site_is_named_after_the_real_module(sample, at):
    assert at["Manager.build/self._spawn"].id == "nova.compute.manager.Manager.build/self._spawn"
    assert at["Manager.build/self._spawn"].project == "nova"


def test_a_site_tells_its_arguments_and_whether_its_value_is_used(at):
    spawn, allocate = at["Manager.build/self._spawn"], at["Manager.build/self.network_api.allocate"]
    assert spawn.positional == ("context", "name", "self._size(ports)")
    assert not spawn.used
    assert (allocate.positional, allocate.keywords, allocate.used) == (("context", "ports"), ("quota",), True)


def test_containers_and_the_twins_own_parts_are_no_sites(at):
    callees = {site.callee for site in at.values()}
    assert not {"self.cache.get", "self.clock.timeout", "self.service.seen.append"} & callees


def test_the_sites_of_the_real_flows_have_one_name_each_and_a_fixed_order():
    ids = [site.id for site in sites()]
    assert len(ids) == len(set(ids))
    sites.cache_clear()
    assert [site.id for site in sites()] == ids


def test_the_chapters_of_one_class_are_named_after_it():
    written_in = {site.flow for site in sites() if site.id.startswith("nova.compute.manager.ComputeManager.")}
    assert len(written_in) > 3
    assert not [site.id for site in sites() for chapter in written_in - {"ComputeManager"} if f".{chapter}." in site.id]
