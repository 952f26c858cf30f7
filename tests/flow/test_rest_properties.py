"""Properties 1 and 4 of the design through the real REST: tenants with keys, HTTP, the bus, a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flow.test_router_properties import MANY, calls_are_routed_accurately, tenants_are_isolated
from tests.support.rest_client import RestClient
from tests.support.resting import resting


@pytest.fixture
async def asker(nats_url: str, tmp_path: Path) -> AsyncIterator[RestClient]:
    async with resting(nats_url, tmp_path, router_reload_s=600) as there:
        yield RestClient(there)


@pytest.mark.timeout(300)
@MANY
@given(data=st.data())
async def test_property_1_call_routing_accuracy_through_rest(asker: RestClient, data: st.DataObject) -> None:
    """Feature: ai-voice-agent, Property 1: Call Routing Accuracy."""
    await calls_are_routed_accurately(asker, data)


@pytest.mark.timeout(300)
@MANY
@given(data=st.data())
async def test_property_4_multi_tenant_data_isolation_through_rest(
    asker: RestClient, data: st.DataObject
) -> None:
    """Feature: ai-voice-agent, Property 4: Multi-Tenant Data Isolation."""
    await tenants_are_isolated(asker, data)
